import type { Tracer } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Logger } from '../core/logger.ts'

/** Everything of OpenTelemetry's SDK is behind this file, which is loaded only where traces are exported. */
export interface OpenTelemetry {
  readonly tracer: Tracer
  /** Exports what is left. Resolves after `graceMs` at the latest, and never rejects. */
  close(graceMs: number): Promise<void>
}

/** Sends spans by OTLP/HTTP in batches, from a bounded queue: what finds no room there is dropped. */
export function startOpenTelemetry(environment: NodeJS.ProcessEnv, log: Logger): OpenTelemetry {
  const named = { 'service.name': 'sluice', 'service.instance.id': crypto.randomUUID() }
  const provider = new TracerProvider({
    sampler: samplerOf(environment, log),
    resource: defaultResource()
      .merge(resourceFromAttributes(named))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: told(new OTLPTraceExporter(), log),
        ...count(environment, 'OTEL_BSP_MAX_QUEUE_SIZE', 'maxQueueSize'),
        ...count(environment, 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 'maxExportBatchSize'),
        ...count(environment, 'OTEL_BSP_SCHEDULE_DELAY', 'scheduledDelayMillis'),
        ...count(environment, 'OTEL_BSP_EXPORT_TIMEOUT', 'exportTimeoutMillis'),
      }),
    ],
  })
  return {
    tracer: provider.getTracer('sluice'),
    async close(graceMs) {
      const over = new Promise((resolve) => setTimeout(resolve, graceMs).unref())
      await Promise.race([provider.shutdown().catch(() => {}), over])
    },
  }
}

/** By the names that the specification gives; its default is to follow the caller, and to sample what nobody calls. */
function samplerOf(
  { OTEL_TRACES_SAMPLER: name = '', OTEL_TRACES_SAMPLER_ARG: argument }: NodeJS.ProcessEnv,
  log: Logger,
): Sampler {
  const ratio = (): Sampler => {
    const share = Number(argument ?? 1)
    if (share >= 0 && share <= 1) return new TraceIdRatioBasedSampler(share)
    log('warn', 'OTEL_TRACES_SAMPLER_ARG is no number from 0 to 1; everything is sampled.')
    return new AlwaysOnSampler()
  }
  const parentBased = (root: Sampler): Sampler => new ParentBasedSampler({ root })
  switch (name) {
    case 'always_on':
      return new AlwaysOnSampler()
    case 'always_off':
      return new AlwaysOffSampler()
    case 'traceidratio':
      return ratio()
    case 'parentbased_always_off':
      return parentBased(new AlwaysOffSampler())
    case 'parentbased_traceidratio':
      return parentBased(ratio())
    case '':
    case 'parentbased_always_on':
      return parentBased(new AlwaysOnSampler())
    default:
      log('warn', 'OTEL_TRACES_SAMPLER is not one of the known samplers; parentbased_always_on is taken.')
      return parentBased(new AlwaysOnSampler())
  }
}

function count<Name extends string>(environment: NodeJS.ProcessEnv, variable: string, name: Name) {
  const value = Number(environment[variable] || Number.NaN)
  return (Number.isInteger(value) && value > 0 ? { [name]: value } : {}) as { readonly [N in Name]?: number }
}

/** Says once when the collector is away, and once when it is back. */
function told(exporter: SpanExporter, log: Logger): SpanExporter {
  let failing = false
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const fails = result.error !== undefined || result.code !== 0
        if (fails && !failing) {
          log('warn', 'Traces cannot be exported; they are dropped until that works again.', {
            cause: result.error?.message ?? '',
          })
        }
        if (!fails && failing) log('info', 'Traces are exported again.')
        failing = fails
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}
