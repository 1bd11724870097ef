import { expect, test } from 'vitest'
import { mayBeDone, translate, translateEntry } from '../../../adapters/sqs/errors.ts'

const thrown = (name: string, status?: number, message = 'said AWS', code?: string) =>
  Object.assign(new Error(message), {
    name,
    code,
    ...(status !== undefined && { $metadata: { httpStatusCode: status } }),
  })

// The names are those of AWS's documentation, by both of its protocols.
test.each([
  ['QueueDoesNotExist', 400, 'not_found'],
  ['AWS.SimpleQueueService.NonExistentQueue', 400, 'not_found'],
  ['NotFoundException', 404, 'not_found'],
  ['AccessDenied', 403, 'misconfigured'],
  ['AuthorizationErrorException', 403, 'misconfigured'],
  ['com.amazon.coral.service#UnrecognizedClientException', 403, 'misconfigured'],
  ['InvalidClientTokenId', 403, 'misconfigured'],
  ['SignatureDoesNotMatch', 403, 'misconfigured'],
  ['ExpiredToken', 403, 'misconfigured'],
  ['CredentialsProviderError', undefined, 'misconfigured'],
  ['ThrottlingException', 400, 'throttled'],
  ['RequestThrottled', 400, 'throttled'],
  ['OverLimit', 403, 'throttled'],
  ['BatchRequestTooLong', 400, 'too_large'],
  ['ReceiptHandleIsInvalid', 400, 'lease_lost'],
  ['QueueDeletedRecently', 400, 'unavailable'],
  ['InvalidMessageContents', 400, 'unprocessable'],
] as const)('%s is %s: %s, and nothing was done', (name, status, code) => {
  const error = translate(thrown(name, status), 'sqs:SendMessage')
  expect([error.code, mayBeDone(error)]).toEqual([code, false])
})

test('what the service failed at, and what was not answered, may be done; what never left cannot', () => {
  const unknown = [
    thrown('InternalError', 500),
    thrown('AbortError'),
    thrown('Error', undefined, 'hung up', 'ECONNRESET'),
  ]
  for (const one of unknown) {
    const error = translate(one, 'sqs:SendMessage')
    expect([error.code, mayBeDone(error)]).toEqual(['unavailable', true])
  }
  const refused = translate(thrown('Error', undefined, 'no', 'ECONNREFUSED'), 'sqs:SendMessage')
  expect([refused.code, mayBeDone(refused)]).toEqual(['unavailable', false])
  expect(refused.retryAfterMs).toBe(1000)
})

test('a missing permission is named, and a name that is free again only later says when', () => {
  expect(translate(thrown('AccessDenied', 403), 'sns:Publish').message).toContain('may not do sns:Publish')
  expect(translate(thrown('QueueDeletedRecently', 400), 'sqs:CreateQueue').retryAfterMs).toBe(60_000)
})

test.each(['InvalidAction', 'UnknownOperationException'])('%s: an endpoint without SNS is told as that', (name) => {
  const error = translate(thrown(name, 400, 'Unknown action: ListTopics'), 'sns:ListTopics')
  expect(error).toMatchObject({
    code: 'misconfigured',
    message: expect.stringMatching(/not speak SNS .*: leave out sns/),
  })
  expect(translate(thrown(name, 400), 'sqs:ListQueues').code).toBe('unprocessable')
})

test('no secret of the answer comes through', () => {
  const leaking = thrown('InvalidClientTokenId', 403, 'The security token AKIAEXAMPLE is invalid')
  expect(translate(leaking, 'sqs:ListQueues').message).not.toContain('AKIA')
})

test('an entry of Failed[] is by the sender or by the service', () => {
  const entry = (Code: string, SenderFault: boolean) =>
    translateEntry({ Id: '0', Code, SenderFault }, 'sqs:SendMessage')
  expect([entry('InvalidMessageContents', true).code, entry('InvalidMessageContents', true).mayBeDone]).toEqual([
    'unprocessable',
    false,
  ])
  expect([entry('InternalError', false).code, entry('InternalError', false).mayBeDone]).toEqual(['unavailable', true])
  expect([entry('RequestThrottled', false).code, entry('RequestThrottled', false).mayBeDone]).toEqual([
    'throttled',
    false,
  ])
})
