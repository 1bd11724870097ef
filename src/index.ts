/** For whoever embeds the gateway: the app as a pure function, and what it needs of its platform. */
export * from './core/index.ts'
export { type App, createApp } from './http/app.ts'
export type * from './http/gateway.ts'
export type { Metrics } from './http/metrics.ts'
export type * from './store/store.ts'
