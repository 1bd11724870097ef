/** What the app reports. Implementations are cheap: these run once a request. */
export interface Metrics {
  /** Whether /metrics needs no key. */
  readonly public: boolean
  /** In the Prometheus text format. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>
  /** `route` is the pattern, never the path: paths have no bound. */
  request(method: string, route: string, status: number, milliseconds: number): void
  published(topic: string, outcome: 'stored' | 'duplicate' | 'failed' | 'unknown', events: number): void
  read(topic: string, events: number): void
  pulled(topic: string, group: string, events: number): void
  settled(topic: string, group: string, outcome: string, events: number): void
}
