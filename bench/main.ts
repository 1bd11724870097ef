// npm run bench -- publish|memory|kafka|brokers|match|fanout: see --help, and bench/README.md for what the figures mean.
import { measureBrokers } from './brokers/run.ts'
import { checkBrokers } from './brokers/targets.ts'
import { measureFanout } from './fanout/run.ts'
import { fanoutTargets } from './fanout/targets.ts'
import { measureKafka } from './kafka/run.ts'
import { kafkaTargets } from './kafka/targets.ts'
import { describeMachine } from './machine.ts'
import { measureMatch } from './match.ts'
import type { Count } from './measure/count.ts'
import { Lab } from './measure/lab.ts'
import { batch, closed, type Measured, ndjson, open } from './measure/publish.ts'
import { read } from './measure/read.ts'
import type { Row } from './measure/row.ts'
import { type StartRow, start } from './measure/start.ts'
import { measureMemory } from './memory.ts'
import {
  type BrokersOptions,
  type FanoutOptions,
  help,
  type KafkaSection,
  type MatchOptions,
  type MemoryOptions,
  type Options,
  parseOptions,
  type Section,
  type SectionOptions,
  UsageError,
} from './options.ts'
import { brokersText } from './report/brokers.ts'
import {
  checksText,
  countsText,
  lagText,
  machineText,
  matchText,
  memoryText,
  rowsText,
  startText,
} from './report/text.ts'
import { checkLag, checkMatch, checkMemory, checkRows, checkRss, checkStart, machineSpeed } from './targets.ts'

const measurements: Record<Exclude<Section, 'start'>, (lab: Lab) => Promise<Measured>> = {
  closed,
  open,
  ndjson,
  batch,
  read,
}

async function publish(options: SectionOptions<'publish', Section>): Promise<boolean> {
  const machine = describeMachine(options.folder)
  process.stderr.write(`${machineText(machine)}\n`)
  const lab = new Lab(options)
  const rows: Row[] = []
  const counts: Count[] = []
  let starts: StartRow[] = []
  try {
    for (const section of options.only) {
      if (section === 'start') {
        starts = await start(lab)
        continue
      }
      const measured = await measurements[section](lab)
      rows.push(...measured.rows)
      counts.push(...measured.counts)
    }
  } finally {
    await lab.releases.all()
  }
  const targets = [...checkRows(rows), ...checkStart(starts)]
  const speed = machineSpeed(rows)
  print(options, { machine, rows, start: starts, counts, targets, speed }, [
    machineText(machine),
    `1 KiB events; medians of ${options.rounds} rounds of ${options.seconds} s, ceiling and gateway in turn`,
    ...(rows.length > 0 ? [rowsText(rows)] : []),
    ...(starts.length > 0 ? [startText(starts)] : []),
    ...(counts.length > 0 ? [countsText(counts)] : []),
    ...(targets.length > 0 ? [checksText(targets, speed)] : []),
  ])
  return counts.every(({ ok }) => ok) && rows.every(({ failures }) => failures === 0)
}

async function memory(options: MemoryOptions): Promise<boolean> {
  const machine = describeMachine(options.folder)
  const runs = await measureMemory(options)
  const targets = checkMemory(runs)
  print(options, { machine, memory: runs, targets }, [machineText(machine), memoryText(runs), checksText(targets)])
  return runs.every(({ failures }) => failures === 0)
}

async function kafka(options: SectionOptions<'kafka', KafkaSection>): Promise<boolean> {
  const machine = describeMachine(options.folder)
  process.stderr.write(`${machineText(machine)}\n`)
  const { rows, counts, lag } = await measureKafka(options)
  const targets = [...checkRows(rows, kafkaTargets), ...(lag === undefined ? [] : [checkLag(lag)])]
  print(options, { machine, rows, lag, counts, targets }, [
    machineText(machine),
    `1 KiB events; medians of ${options.rounds} rounds of ${options.seconds} s, in turn; Kafka on the same machine`,
    ...(rows.length > 0 ? [rowsText(rows)] : []),
    ...(lag === undefined ? [] : [lagText(lag)]),
    ...(counts.length > 0 ? [countsText(counts)] : []),
    ...(targets.length > 0 ? [checksText(targets)] : []),
  ])
  return counts.every(({ ok }) => ok) && [...rows, ...(lag ? [lag] : [])].every(({ failures }) => failures === 0)
}

async function brokers(options: BrokersOptions): Promise<boolean> {
  const machine = describeMachine(options.folder)
  process.stderr.write(`${machineText(machine)}\n`)
  const results = await measureBrokers(options)
  const rows = results.flatMap(({ rows }) => rows)
  const counts = results.flatMap(({ broker, counts }) =>
    counts.map((count) => ({ ...count, section: `${broker} · ${count.section}` })),
  )
  const targets = checkBrokers(results)
  print(options, { machine, brokers: results, targets }, [
    machineText(machine),
    `1 KiB events; medians of ${options.rounds} rounds of ${options.seconds} s, in turn; each broker on the same machine`,
    brokersText(results),
    countsText(counts),
    checksText(targets),
  ])
  return counts.every(({ ok }) => ok) && rows.every(({ failures }) => failures === 0)
}

async function match(options: MatchOptions): Promise<boolean> {
  const machine = describeMachine(options.folder)
  const runs = measureMatch(options)
  const targets = checkMatch(runs)
  print(options, { machine, match: runs, targets }, [machineText(machine), matchText(runs), checksText(targets)])
  return true
}

async function fanout(options: FanoutOptions): Promise<boolean> {
  const machine = describeMachine(options.folder)
  process.stderr.write(`${machineText(machine)}\n`)
  const rows = await measureFanout(options)
  const targets = [...checkRows(rows, fanoutTargets), ...checkRss(rows)]
  print(options, { machine, rows, targets }, [
    machineText(machine),
    `1 KiB events, ${options.store}; medians of ${options.rounds} rounds, in turn`,
    rowsText(rows),
    ...(targets.length > 0 ? [checksText(targets)] : []),
  ])
  return rows.every(({ failures }) => failures === 0)
}

function run(options: Options): Promise<boolean> {
  if (options.command === 'publish') return publish(options)
  if (options.command === 'match') return match(options)
  if (options.command === 'fanout') return fanout(options)
  if (options.command === 'brokers') return brokers(options)
  return options.command === 'kafka' ? kafka(options) : memory(options)
}

function print(options: Options, result: object, texts: readonly string[]): void {
  process.stdout.write(options.json ? `${JSON.stringify(result, null, 2)}\n` : `${texts.join('\n\n')}\n`)
}

/** 1 where requests failed or an acknowledged event is missing: such figures mean nothing. A missed target is no error. */
async function main(words: readonly string[]): Promise<number> {
  try {
    const options = parseOptions(words)
    if (options === undefined) {
      process.stdout.write(help)
      return 0
    }
    return (await run(options)) ? 0 : 1
  } catch (error) {
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n`)
      return 2
    }
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    return 1
  }
}

process.exitCode = await main(process.argv.slice(2))
