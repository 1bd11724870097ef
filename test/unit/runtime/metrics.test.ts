import { expect, test } from 'vitest'
import { NodeMetrics } from '../../../src/runtime/metrics.ts'
import { Counter, Histogram } from '../../../src/runtime/prometheus.ts'

test('a counter has a line for each series, with its labels escaped', () => {
  const counter = new Counter('c_total', 'What it counts.', ['a', 'b'])
  counter.add(1, 'x', 'y')
  counter.add(2, 'x', 'y')
  counter.add(5, 'quote "', 'line\nbreak \\')
  expect(counter.render()).toBe(
    '# HELP c_total What it counts.\n# TYPE c_total counter\n' +
      'c_total{a="x",b="y"} 3\n' +
      'c_total{a="quote \\"",b="line\\nbreak \\\\"} 5\n',
  )
})

test('a histogram counts upwards, and a value on a bound belongs to it', () => {
  const histogram = new Histogram('h', 'How long.', ['a'], [1, 5])
  for (const value of [0.5, 1, 3, 7, 9]) histogram.observe(value, 'x')
  expect(histogram.render()).toBe(
    '# HELP h How long.\n# TYPE h histogram\n' +
      'h_bucket{a="x",le="1"} 2\nh_bucket{a="x",le="5"} 3\nh_bucket{a="x",le="+Inf"} 5\n' +
      'h_sum{a="x"} 20.5\nh_count{a="x"} 5\n',
  )
})

test('the gateway reports what happened, in the form that Prometheus reads', async () => {
  const metrics = new NodeMetrics(false, () => [])
  metrics.request('POST', '/v1/topics/:topic/events', 200, 3)
  metrics.published('orders', 'stored', 2)
  metrics.pulled('orders', 'g', 1)
  metrics.settled('orders', 'g', 'ack', 1)
  metrics.read('orders', 4)
  const { contentType, body } = await metrics.render()
  expect(contentType).toContain('version=0.0.4')
  expect(body).toContain(
    'sluice_http_request_duration_seconds_count{method="POST",route="/v1/topics/:topic/events",status="200"} 1\n',
  )
  expect(body).toContain('sluice_events_published_total{topic="orders",outcome="stored"} 2\n')
  expect(body).toContain('sluice_deliveries_settled_total{topic="orders",group="g",outcome="ack"} 1\n')
  const sample = /^[a-z_]+(\{([a-z]+="([^"\\]|\\.)*",?)+\})? -?[\d.e+-]+$/
  const stray = body.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !sample.test(line))
  expect(stray).toEqual([])
})
