import { readdir, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { cached } from '../cache.ts'
import { run } from '../run.ts'
import { needMaven } from '../tool.ts'

const kafkaVersion = '4.3.1'

const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
const dependencies = [
  ['org.apache.kafka', 'kafka_2.13', kafkaVersion],
  ['org.apache.kafka', 'kafka-tools', kafkaVersion],
  ['org.apache.logging.log4j', 'log4j-slf4j-impl', '2.25.1'],
  ['org.apache.logging.log4j', 'log4j-core', '2.25.1'],
]

function project(): string {
  const list = dependencies.map(([group, artifact, version]) =>
    ['<dependency>', `<groupId>${group}</groupId>`, `<artifactId>${artifact}</artifactId>`]
      .concat(`<version>${version}</version>`, '</dependency>')
      .join(''),
  )
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local.test</groupId><artifactId>kafka-dist</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>${list.join('\n')}</dependencies>
</project>
`
}

/** The class path of Kafka's jars, downloaded once per version. */
export async function kafkaClasspath(progress: (line: string) => void): Promise<string> {
  const folder = await cached(`kafka-${kafkaVersion}`, async (target) => {
    progress(`downloading Kafka ${kafkaVersion} (54 MB) by Maven`)
    const description = join(target, 'pom.xml')
    await writeFile(description, project())
    await run(await needMaven(), ['-q', '-B', '-f', description, copy, `-DoutputDirectory=${target}`])
    await rm(description)
  })
  const jars = (await readdir(folder)).filter((name) => name.endsWith('.jar')).sort()
  return jars.map((name) => join(folder, name)).join(delimiter)
}
