import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { createSecret } from '../../src/webhook/secret.ts'
import { classpathOf } from '../brokers/services/maven.ts'
import { run } from '../brokers/services/run.ts'
import { needJavac } from '../brokers/services/tool.ts'
import type { ReceivedRequest } from './receiver.ts'
import { newReceiver, newSender, send, subscriptionOf } from './sending.ts'

// The public library of Standard Webhooks for Java, as a receiver of another language has it.
const version = '1.2.0'
const program = `
import com.standardwebhooks.Webhook;
import java.net.http.HttpHeaders;
import java.nio.file.*;
import java.util.*;

class Verify {
  public static void main(String[] args) throws Exception {
    Map<String, List<String>> headers = new HashMap<>();
    for (int i = 0; i < 3; i++) headers.put(args[2 + 2 * i], List.of(args[3 + 2 * i]));
    String body = Files.readString(Path.of(args[1]));
    try {
      new Webhook(args[0]).verify(body, HttpHeaders.of(headers, (a, b) -> true));
      System.out.println("verified");
    } catch (Exception refused) {
      System.out.println("refused: " + refused.getMessage());
    }
  }
}
`
const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const
let folder: string
let jars: string

beforeAll(async () => {
  await needJavac()
  jars = await classpathOf(`standardwebhooks-${version}`, [['com.standardwebhooks', 'standardwebhooks', version]])
  folder = await mkdtemp(join(tmpdir(), 'sluice-java-'))
  await writeFile(join(folder, 'Verify.java'), program)
}, 300_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

async function verdict(secret: string, { headers, body }: Pick<ReceivedRequest, 'headers' | 'body'>): Promise<string> {
  const file = join(folder, 'body')
  await writeFile(file, body)
  const given = names.flatMap((name) => [name, String(headers[name])])
  return (await run('java', ['-cp', jars, join(folder, 'Verify.java'), secret, file, ...given])).trim()
}

test('the public library of another language verifies what the gateway sends, and nothing else', {
  timeout: 120_000,
}, async () => {
  const [old, current] = [createSecret(systemClock), createSecret(systemClock)]
  const receiver = await newReceiver()
  const secrets = [{ secret: current }, { secret: old, until: systemClock.now() + 60_000 }]
  await send(newSender(), subscriptionOf(receiver.url, { secrets }))
  const request = receiver.requests[0]!
  expect(await verdict(current, request)).toBe('verified')
  expect(await verdict(old, request)).toBe('verified')
  expect(await verdict(createSecret(systemClock), request)).toMatch(/^refused/)
  const longer = Buffer.concat([request.body, Buffer.from(' ')])
  expect(await verdict(current, { ...request, body: longer })).toMatch(/^refused/)
})
