import { type Artifact, classpathOf } from '../maven.ts'

const kafkaVersion = '4.3.1'

const artifacts: readonly Artifact[] = [
  ['org.apache.kafka', 'kafka_2.13', kafkaVersion],
  ['org.apache.kafka', 'kafka-tools', kafkaVersion],
  ['org.apache.logging.log4j', 'log4j-slf4j-impl', '2.25.1'],
  ['org.apache.logging.log4j', 'log4j-core', '2.25.1'],
]

/** The class path of Kafka's jars, downloaded once per version. */
export function kafkaClasspath(progress: (line: string) => void): Promise<string> {
  return classpathOf(`kafka-${kafkaVersion}`, artifacts, () =>
    progress(`downloading Kafka ${kafkaVersion} (54 MB) by Maven`),
  )
}
