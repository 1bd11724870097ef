// npm run bench -- publish|memory: see --help, and bench/README.md for what the figures mean.
import { describeMachine } from './machine.ts'
import type { Count } from './measure/count.ts'
import { Lab } from './measure/lab.ts'
import { batch, closed, type Measured, ndjson, open } from './measure/publish.ts'
import { read } from './measure/read.ts'
import type { Row } from './measure/row.ts'
import { type StartRow, start } from './measure/start.ts'
import { measureMemory } from './memory.ts'
import { help, type Options, parseOptions, type Section, UsageError } from './options.ts'
import { checksText, countsText, machineText, memoryText, rowsText, startText } from './report/text.ts'
import { checkMemory, checkRows, checkStart, machineSpeed } from './targets.ts'

const measurements: Record<Exclude<Section, 'start'>, (lab: Lab) => Promise<Measured>> = {
  closed,
  open,
  ndjson,
  batch,
  read,
}

async function publish(options: Options): Promise<boolean> {
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

async function memory(options: Options): Promise<boolean> {
  const machine = describeMachine(options.folder)
  const runs = await measureMemory(options)
  const targets = checkMemory(runs)
  print(options, { machine, memory: runs, targets }, [machineText(machine), memoryText(runs), checksText(targets)])
  return runs.every(({ failures }) => failures === 0)
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
    return (await (options.command === 'publish' ? publish(options) : memory(options))) ? 0 : 1
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
