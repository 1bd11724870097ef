import { readdir, rm, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { cached } from './cache.ts'
import { run } from './run.ts'
import { needMaven } from './tool.ts'

export type Artifact = readonly [group: string, artifact: string, version: string]

const copy = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'

function project(name: string, artifacts: readonly Artifact[]): string {
  const list = artifacts.map(([group, artifact, version]) =>
    ['<dependency>', `<groupId>${group}</groupId>`, `<artifactId>${artifact}</artifactId>`]
      .concat(`<version>${version}</version>`, '</dependency>')
      .join(''),
  )
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local.test</groupId><artifactId>${name}</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>${list.join('\n')}</dependencies>
</project>
`
}

/** The class path of these and of what they need, downloaded once. `name` says in the cache what they are, with the version. */
export async function classpathOf(
  name: string,
  artifacts: readonly Artifact[],
  begins: () => void = () => {},
): Promise<string> {
  const folder = await cached(name, async (target) => {
    begins()
    const description = join(target, 'pom.xml')
    await writeFile(description, project(name, artifacts))
    await run(await needMaven(), ['-q', '-B', '-f', description, copy, `-DoutputDirectory=${target}`])
    await rm(description)
  })
  const jars = (await readdir(folder)).filter((file) => file.endsWith('.jar')).sort()
  return jars.map((file) => join(folder, file)).join(delimiter)
}
