/** Assertions that the stories share, and updates that a dishonest payer could send. */
import assert from 'node:assert/strict'
import type { Message, Payment, Update } from '../../protocols/paychan/1.0/index.js'
import type { Effect, Transition } from '../../src/channel/effects.js'
import type { ChannelEvent } from '../../src/channel/events.js'
import { stateDigest } from '../../src/channel/signing.js'
import type { ShownSpend, Stopped } from '../../src/channel/state.js'
import { txid } from '../../src/types/bytes.js'
import type { PaychanError } from '../../src/types/errors.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import type { Side } from './side.js'
import { payment, type World } from './world.js'

type OfType<T extends { type: string }, K extends T['type']> = Extract<T, { type: K }>

/** The effects of one type. */
export function effectsOf<K extends Effect['type']>(
  effects: readonly Effect[],
  type: K
): Array<OfType<Effect, K>> {
  return effects.filter((effect): effect is OfType<Effect, K> => effect.type === type)
}

/** The messages of one type that were sent. */
export function sentOf<K extends Message['type']>(
  effects: readonly Effect[],
  type: K
): Array<OfType<Message, K>> {
  return effectsOf(effects, 'send')
    .map(({ message }) => message)
    .filter((message): message is OfType<Message, K> => message.type === type)
}

/** The one message of a type on its way to a side, taken out of the queue. */
export function take<K extends Message['type']>(
  world: World,
  to: 'client' | 'server',
  type: K
): OfType<Message, K> {
  const queue = world.queues[to]
  const at = queue.findIndex((message) => message !== 'end' && message.type === type)
  const message = queue.splice(at, 1)[0]
  assert.ok(
    at >= 0 && message !== undefined && message !== 'end',
    `no ${type} is on its way to the ${to}`
  )
  return message as OfType<Message, K>
}

/** The event that a message makes of itself. */
export function eventOf(message: Message): ChannelEvent {
  return message.type === 'Update'
    ? { type: 'updates', updates: [message] }
    : { type: 'message', message }
}

/** The opening is given up: the peer is told why, the stream ends, T1's inputs are free. */
export function assertAbandoned(
  side: Side,
  effects: readonly Effect[],
  rule: string,
  code: string
): void {
  const { channel } = side
  assert.ok(channel.stage === 'abandoned', `the ${side.role} is at ${channel.stage}`)
  assert.equal(channel.code, code)
  assert.deepEqual(
    sentOf(effects, 'Error').map((error) => [error.rule, error.code, error.fatal]),
    [[rule, code, true]]
  )
  assert.equal(effectsOf(effects, 'hang-up').length, 1)
  assert.equal(effectsOf(effects, 'release-funding').length, side.role === 'client' ? 1 : 0)
  assert.deepEqual(effectsOf(effects, 'broadcast'), [])
}

/** The peer broke a rule: it is told which, the stream ends, payments stop. */
export function assertStopped(
  side: Side,
  effects: readonly Effect[],
  rule: string,
  code: string
): void {
  const { stopped } = side.established
  assert.deepEqual([stopped?.rule, stopped?.code], [rule, code])
  assert.deepEqual(
    sentOf(effects, 'Error').map((error) => [error.rule, error.code, error.fatal]),
    [[rule, code, true]]
  )
  assert.equal(effectsOf(effects, 'hang-up').length, 1)
  assert.equal(effectsOf(effects, 'alarm')[0]?.code, code)
}

/**
 * An answer without any consequence: a refusal with a code, and not one bit of the state is
 * another.
 */
export function assertRefused(
  side: Side,
  { state, log, effects }: Transition,
  code: string
): PaychanError {
  assert.ok(state === side.channel, 'the state moved')
  assert.deepEqual(log, [])
  assert.equal(effects.length, 1)
  const [effect] = effects
  assert.ok(
    effect?.type === 'payment-refused' || effect?.type === 'close-refused',
    `not refused: ${effect?.type}`
  )
  assert.equal(effect.error.code, code)
  return effect.error
}

/** An update as a payer would sign it, in everything that is not said otherwise. */
export function forge(
  world: World,
  changes: Partial<Update> = {},
  sign = world.client.channelKey.sign
): Update {
  const { ledger } = world.server.established
  const payments: readonly Payment[] = changes.payments ?? [payment(1_000n)]
  const before = ledger.held?.payerBalance ?? world.capacity
  const payerBalance =
    changes.payerBalance ?? before - payments.reduce((sum, { amount }) => sum + amount, 0n)
  const signature =
    payerBalance < 0n
      ? new Uint8Array(64).fill(1)
      : sign(stateDigest(world.server.established, satoshi(payerBalance)))
  return {
    type: 'Update',
    turn: 0,
    sequence: (ledger.held?.sequence ?? -1) + 1,
    signature,
    ...changes,
    payments,
    payerBalance
  }
}

/** The user of one side settles; the other one hears of it (ERR-6). */
export function isSettled({ code, reason }: Stopped): boolean {
  return (
    code === 'ERR_CHANNEL_SETTLED' ||
    (code === 'ERR_PEER_STOPPED' && reason.endsWith('settled on the chain by its user'))
  )
}

/** A spend that two servers show. */
export function shownSpend(changes: Partial<ShownSpend> = {}): ShownSpend {
  return {
    kind: 'settlement',
    state: 0,
    height: undefined,
    txid: txid('ee'.repeat(32)),
    raw: new Uint8Array(0),
    clientBalance: satoshi(60_000n),
    fee: satoshi(1_000n),
    vsize: 200,
    lock: 680,
    shownBy: 2,
    since: blockHeight(680),
    ...changes
  }
}
