import { consumeSection } from '../brokers/consume.ts'
import type { BrokerResult } from '../brokers/run.ts'
import type { Row } from '../measure/row.ts'
import { figure, table } from './table.ts'
import { notes } from './text.ts'

const head = ['', '', 'server', 'events/s', 'over', 'ratio', '(of rounds)', 'p99 ms', 'above']
const cpu = ['CPU s/100k', 'client', 'broker']

/** All brokers in one table: a line for each row that is compared. */
export function brokersText(results: readonly BrokerResult[]): string {
  const body = results.flatMap(({ broker, rows }) =>
    rows
      .filter(({ base }) => base !== undefined)
      .map((row, i) => [
        i === 0 ? broker : '',
        ...cellsOf(
          row,
          rows.find((other) => isClient(other, row)),
        ),
      ]),
  )
  const remarks = results.flatMap(({ broker, rows }) => notes(rows).map((note) => `  ${broker}:${note}`))
  return [table([...head, ...cpu], body, 3), ...remarks].join('\n')
}

function isClient({ server, section, setting }: Row, of: Row): boolean {
  return server === 'client' && section === of.section && setting === of.setting
}

function cellsOf(row: Row, client: Row | undefined): string[] {
  const { section, setting, server, base, ratio } = row
  return [
    `${section.split(',')[0]}, ${setting}`,
    server,
    figure(row.perSecond),
    base!,
    figure(ratio!.median),
    `${figure(ratio!.min)}–${figure(ratio!.max)}`,
    ...(section === consumeSection ? ['–', '–'] : [figure(row.p99), figure(row.p99Over?.median)]),
    figure(row.cpuSecondsPer100k),
    figure(client?.cpuSecondsPer100k),
    figure(row.brokerCpuSecondsPer100k),
  ]
}
