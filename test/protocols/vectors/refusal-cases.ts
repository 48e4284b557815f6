/** What a side refuses although the bytes are in order: the cases of refusals.json, by hand. */
import type {
  CloseRequest,
  Message,
  OpenChannel,
  Payment,
  Update
} from '../../../protocols/paychan/1.0/index.js'
import { closeSighash } from '../../../src/bitcoin/closing.js'
import { satoshi } from '../../../src/types/units.js'
import { eventOf, forge, sentOf, take } from '../../channel/asserts.js'
import { buildT1, World } from '../../channel/world.js'
import { Violation } from '../../../src/channel/violation.js'

/** How a message is judged: undefined when it is taken. */
export interface Verdict {
  readonly code: string
  readonly rule: string
  readonly fatal: boolean
}

export interface Stage {
  readonly description: string
  /** A world in which the message is due, and an honest one. */
  readonly due: () => { readonly world: World; readonly honest: Message }
  readonly judge: (world: World, message: Message) => Verdict | undefined
}

export interface RefusalCase {
  readonly name: string
  readonly stage: keyof typeof STAGES
  readonly change: (message: Message, world: World) => Message
  /** Left out: it is taken. */
  readonly verdict?: Verdict
}

const fatal = (rule: string, code: string): Verdict => ({ code, rule, fatal: true })
const gentle = (rule: string, code: string): Verdict => ({ code, rule, fatal: false })
const same = (message: Message): Message => message
/** Changes fields, whatever the type. */
const but =
  (changes: object) =>
  (message: Message): Message => ({ ...message, ...changes })

function payment(n: number, amount: bigint): Payment {
  return { id: new Uint8Array(16).fill(n), amount, memo: '' }
}

/** What the receiver says about a message. */
function told(role: 'client' | 'server') {
  return (world: World, message: Message): Verdict | undefined => {
    const effects = world[role].post(eventOf(message))
    const [error] = sentOf(effects, 'Error')
    if (error !== undefined) return { code: error.code, rule: error.rule, fatal: error.fatal }
    // A TurnRefuse names no rule.
    const [refusal] = sentOf(effects, 'TurnRefuse')
    return refusal === undefined ? undefined : { code: refusal.code, rule: '', fatal: false }
  }
}

/** Open, 10,000 sat paid by update 1. */
function paidWorld(options: ConstructorParameters<typeof World>[0] = {}): World {
  const world = new World(options).open()
  world.client.post({ type: 'pay', payments: [payment(1, 10_000n)] })
  return world.run()
}

/** An update of the payer after `paidWorld`, signed by it. */
const update =
  (changes: Partial<Update> = {}) =>
  (_message: Message, world: World): Message =>
    forge(world, { payments: [payment(2, 1_000n)], ...changes })

/** The digest of the close that a client asks for. */
export function closeDigest(
  world: World,
  { clientBalance, serverBalance, clientScript, serverScript, fee }: CloseRequest
): Uint8Array {
  return closeSighash({
    funding: world.funding,
    version: 3,
    clientBalance: satoshi(clientBalance),
    serverBalance: satoshi(serverBalance),
    clientScript,
    serverScript,
    fee: satoshi(fee),
    feePayer: 'client'
  })
}

/** A close on other terms, signed by the client for exactly these. */
const close =
  (changes: (world: World) => Partial<CloseRequest>) =>
  (message: Message, world: World): Message => {
    const request = { ...(message as CloseRequest), ...changes(world) }
    return { ...request, signature: world.client.channelKey.sign(closeDigest(world, request)) }
  }

/** What the close that was completed before pays. */
const feeBefore = (world: World): bigint => world.server.established.closes[0]?.fee ?? 0n

/**
 * Two-way, turns 20 apart: the client has paid 40,000 sat in turn 0, and the server asks for turn
 * 1.
 */
function askedWorld(): World {
  const world = new World({ step: 20 }).open().paidBy('client', 40_000n)
  world.server.post({ type: 'ask-turn', payments: [payment(2, 5_000n)] })
  return world
}

/** The renewal of such a channel, for 1,000 blocks again. */
function renewedWorld(): World {
  const old = new World({ step: 20, blocks: 1_000 }).open().paidBy('client', 40_000n)
  return new World({ renews: { world: old }, step: 20, blocks: 1_000 })
}

function judgeOffer(world: World, message: Message): Verdict | undefined {
  try {
    world.accept(message as OpenChannel)
    return undefined
  } catch (error) {
    if (error instanceof Violation) return fatal(error.rule, error.code)
    throw error
  }
}

const LIMITS = { maxInFlightValue: satoshi(20_000n), maxStake: satoshi(50_000n) }

export const STAGES = {
  offer: {
    description:
      'OpenChannel to a server on regtest at height 500, with the default policy (README.md): capacity 10,000 to 1,300,000 sat, L 55 to 8,064 blocks away.',
    due: () => {
      const world = new World().offer()
      return { world, honest: take(world, 'server', 'OpenChannel') }
    },
    judge: (world, message) => judgeOffer(world, message)
  },
  answer: {
    description:
      'AcceptChannel to the client that has sent the OpenChannel of this file: height 500, L 700, 100,000 sat; it waits for 12 confirmations at most.',
    due: () => {
      const world = new World().offer()
      world.deliver('server')
      return { world, honest: take(world, 'client', 'AcceptChannel') }
    },
    judge: told('client')
  },
  renewal: {
    description:
      'OpenChannel that renews a two-way channel (100,000 sat, L 1,500, turns 20 blocks apart) in which the client has paid 40,000 sat in turn 0; to its server at height 501, which estimates 2 sat/vB and waits for 1,008 blocks (maxRenewalWait).',
    due: () => {
      const world = renewedWorld().offer()
      return { world, honest: take(world, 'server', 'OpenChannel') }
    },
    judge: (world, message) => judgeOffer(world, message)
  },
  'renewal-answer': {
    description:
      'AcceptChannel to the client that has sent an OpenChannel that renews a one-way channel, at height 501 for 200 blocks.',
    due: () => {
      const world = new World({ renews: { world: paidWorld() } }).offer()
      world.deliver('server')
      return { world, honest: take(world, 'client', 'AcceptChannel') }
    },
    judge: told('client')
  },
  update: {
    description:
      'Update to the payee. It holds update 1, which leaves the payer 90,000 of 100,000 sat; at most 50,000 sat at stake, 20,000 in flight.',
    due: () => {
      const world = paidWorld({ policy: LIMITS })
      return { world, honest: forge(world, { payments: [payment(2, 1_000n)] }) }
    },
    judge: told('server')
  },
  stake: {
    description:
      'Update to the payee. It holds update 1, which leaves the payer 90,000 of 100,000 sat; at most 20,000 sat at stake, 20,000 in flight.',
    due: () => {
      const world = paidWorld({ policy: { ...LIMITS, maxStake: satoshi(20_000n) } })
      return { world, honest: forge(world, { payments: [payment(2, 10_000n)] }) }
    },
    judge: told('server')
  },
  'first-payment': {
    description:
      'Update to the payee, which holds update 0 of 100,000 sat; the first payment is at least 656 sat.',
    due: () => {
      const world = new World().open()
      return { world, honest: forge(world, { payments: [payment(2, 656n)] }) }
    },
    judge: told('server')
  },
  early: {
    description:
      'Update to the payee, which holds update 0; T1 is in no block, and it has never sent ChannelReady.',
    due: () => {
      const world = new World().offer().run()
      return { world, honest: forge(world, { sequence: 0, payments: [], payerBalance: 100_000n }) }
    },
    judge: told('server')
  },
  first: {
    description: 'Update to a payee that holds nothing yet; its T1 is in no block.',
    due: () => {
      const world = new World().until('client', 'established')
      while (
        !world.queues.server.some((message) => message !== 'end' && message.type === 'Update')
      ) {
        world.deliver(world.queues.server.length > 0 ? 'server' : 'client')
      }
      return { world, honest: take(world, 'server', 'Update') }
    },
    judge: told('server')
  },
  acknowledgement: {
    description: 'UpdateAck to the payer. Update 1 is acknowledged, update 2 in flight.',
    due: () => {
      const world = paidWorld()
      world.client.post({ type: 'pay', payments: [payment(2, 1_000n)] })
      world.deliver('server')
      return { world, honest: take(world, 'client', 'UpdateAck') }
    },
    judge: told('client')
  },
  close: {
    description:
      'CloseRequest to the server, which holds update 1 (90,000 and 10,000 sat) and estimates 2 sat/vB.',
    due: () => {
      const world = paidWorld()
      world.client.post({ type: 'close' })
      return { world, honest: take(world, 'server', 'CloseRequest') }
    },
    judge: told('server')
  },
  'close-again': {
    description:
      'CloseRequest to the server, which has completed a close of the same client for 369 sat and estimates 2 sat/vB.',
    due: () => {
      const world = paidWorld()
      world.client.post({ type: 'close' })
      world.run()
      world.client.post({ type: 'close' })
      return { world, honest: take(world, 'server', 'CloseRequest') }
    },
    judge: told('server')
  },
  'close-done': {
    description: 'CloseDone to the client, which has asked for a close.',
    due: () => {
      const world = paidWorld()
      world.client.post({ type: 'close' })
      world.deliver('server')
      return { world, honest: take(world, 'client', 'CloseDone') }
    },
    judge: told('client')
  },
  'turn-request-again': {
    description:
      'TurnRequest to the payer of turn 0, which has got one for turn 1 on this stream and has not answered it.',
    due: () => {
      const world = askedWorld()
      world.client.grants = false
      const [request] = world.queues.client
      world.deliver('client')
      if (request === undefined || request === 'end') throw new TypeError('no TurnRequest')
      return { world, honest: request }
    },
    judge: told('client')
  },
  'turn-request': {
    description:
      'TurnRequest to the payer of turn 0, which has paid 40,000 of 100,000 sat. L 700, turns 20 blocks apart, height 501; a turn is worth 656 sat or more.',
    due: () => {
      const world = askedWorld()
      return { world, honest: take(world, 'client', 'TurnRequest') }
    },
    judge: told('client')
  },
  'turn-grant': {
    description: 'TurnGrant to the payee of turn 0, which holds update 1 and has asked for turn 1.',
    due: () => {
      const world = askedWorld()
      world.deliver('client')
      return { world, honest: take(world, 'server', 'TurnGrant') }
    },
    judge: told('server')
  },
  'turn-refusal': {
    description: 'TurnRefuse to the payee of turn 0, which has asked for turn 1.',
    due: () => ({
      world: askedWorld(),
      honest: {
        type: 'TurnRefuse',
        turn: 1,
        code: 'ERR_TURN_TOO_EARLY',
        notBefore: 600,
        text: 'Later.'
      }
    }),
    judge: told('server')
  },
  funding: {
    description: "Funding to the server that has signed T2 for the outpoint of this file's T1.",
    due: () => {
      const world = new World().until('client', 'established')
      return { world, honest: take(world, 'server', 'Funding') }
    },
    judge: told('server')
  }
} satisfies Record<string, Stage>

const NO_POINT = new Uint8Array(33).fill(2, 0, 1).fill(5, 1)
const renews =
  (changes: object) =>
  (message: Message): Message =>
    message.type === 'OpenChannel' && message.renews !== undefined
      ? { ...message, renews: { ...message.renews, ...changes } }
      : message
const limits =
  (changes: object) =>
  (message: Message): Message =>
    message.type === 'AcceptChannel'
      ? { ...message, limits: { ...message.limits, ...changes } }
      : message

export const REFUSAL_CASES: readonly RefusalCase[] = [
  { stage: 'offer', name: 'an honest one', change: same },
  {
    stage: 'offer',
    name: 'another network',
    change: but({ network: 'signet' }),
    verdict: fatal('OPEN-1', 'ERR_WRONG_NETWORK')
  },
  {
    stage: 'offer',
    name: 'too little',
    change: but({ capacity: 9_999n }),
    verdict: fatal('OPEN-2', 'ERR_CAPACITY_REFUSED')
  },
  {
    stage: 'offer',
    name: 'too much',
    change: but({ capacity: 1_300_001n }),
    verdict: fatal('OPEN-2', 'ERR_CAPACITY_REFUSED')
  },
  {
    stage: 'offer',
    name: 'L too near',
    change: but({ refundHeight: 554 }),
    verdict: fatal('OPEN-3', 'ERR_REFUND_HEIGHT_REFUSED')
  },
  {
    stage: 'offer',
    name: 'L too far',
    change: but({ refundHeight: 8_565 }),
    verdict: fatal('OPEN-3', 'ERR_REFUND_HEIGHT_REFUSED')
  },
  { stage: 'offer', name: 'a two-way channel', change: but({ mode: 'two-way', step: 6 }) },
  {
    stage: 'offer',
    name: 'a two-way channel without a step',
    change: but({ mode: 'two-way' }),
    verdict: fatal('OPEN-4', 'ERR_STEP_REFUSED')
  },
  {
    stage: 'offer',
    name: 'a one-way channel with a step',
    change: but({ step: 6 }),
    verdict: fatal('OPEN-4', 'ERR_STEP_REFUSED')
  },
  {
    stage: 'offer',
    name: 'version 2',
    change: but({ txVersion: 2 }),
    verdict: fatal('OPEN-5', 'ERR_VERSION_NOT_SUPPORTED')
  },
  {
    stage: 'offer',
    name: 'a close script that nobody relays',
    change: but({ closeScript: Uint8Array.of(0x51) }),
    verdict: fatal('OPEN-6', 'ERR_SCRIPT_NOT_STANDARD')
  },
  {
    stage: 'offer',
    name: 'a key that is no point',
    change: but({ channelKey: NO_POINT }),
    verdict: fatal('KEY-1', 'ERR_INVALID_KEY')
  },
  { stage: 'answer', name: 'an honest one', change: same },
  {
    stage: 'answer',
    name: "the client's own key as the server's",
    change: (message, world) =>
      ({ ...message, channelKey: world.client.channelKey.publicKey }) as Message,
    verdict: fatal('KEY-4', 'ERR_KEY_REUSED')
  },
  {
    stage: 'answer',
    name: 'a key that is no point',
    change: but({ payoutKey: NO_POINT }),
    verdict: fatal('KEY-1', 'ERR_INVALID_KEY')
  },
  {
    stage: 'answer',
    name: 'a close script that nobody relays',
    change: but({ closeScript: Uint8Array.of(0x51) }),
    verdict: fatal('OPEN-6', 'ERR_SCRIPT_NOT_STANDARD')
  },
  {
    stage: 'answer',
    name: 'more confirmations than the client waits for',
    change: but({ minDepth: 13 }),
    verdict: fatal('OPEN-8', 'ERR_TERMS_REFUSED')
  },
  {
    stage: 'answer',
    name: 'no confirmation',
    change: but({ minDepth: 0 }),
    verdict: fatal('OPEN-8', 'ERR_TERMS_REFUSED')
  },
  {
    stage: 'answer',
    name: 'the settlement at L',
    change: but({ settleHeight: 700 }),
    verdict: fatal('OPEN-8', 'ERR_TERMS_REFUSED')
  },
  {
    stage: 'answer',
    name: 'the last payment too near to the settlement',
    change: but({ lastPaymentHeight: 653 }),
    verdict: fatal('OPEN-8', 'ERR_TERMS_REFUSED')
  },
  {
    stage: 'answer',
    name: 'the last payment before T1 can be deep enough',
    change: but({ lastPaymentHeight: 501 }),
    verdict: fatal('OPEN-8', 'ERR_TERMS_REFUSED')
  },
  {
    stage: 'answer',
    name: 'a first payment above the capacity',
    change: limits({ minFirstPayment: 100_001n }),
    verdict: fatal('OPEN-8', 'ERR_TERMS_REFUSED')
  },
  { stage: 'renewal', name: 'an honest one', change: same },
  {
    stage: 'renewal',
    name: 'of an older state',
    change: renews({ sequence: 0, serverBalance: 0n }),
    verdict: fatal('RENEW-1', 'ERR_LATER_UPDATES')
  },
  {
    stage: 'renewal',
    name: 'with another balance of the server',
    change: renews({ serverBalance: 39_999n }),
    verdict: fatal('RENEW-1', 'ERR_BALANCE_MISMATCH')
  },
  {
    stage: 'renewal',
    name: 'into a one-way channel',
    change: but({ mode: 'one-way', step: 0 }),
    verdict: fatal('RENEW-8', 'ERR_RENEWAL_KIND')
  },
  {
    stage: 'renewal',
    name: 'with a longer step',
    change: but({ step: 21 }),
    verdict: fatal('RENEW-8', 'ERR_RENEWAL_KIND')
  },
  {
    stage: 'renewal',
    name: 'with a shorter step',
    change: but({ step: 19 }),
    verdict: fatal('RENEW-8', 'ERR_RENEWAL_KIND')
  },
  {
    stage: 'renewal',
    name: 'whose first state matures 1,008 blocks from now',
    change: but({ refundHeight: 501 + 1_008 + 20 })
  },
  {
    stage: 'renewal',
    name: 'whose first state matures 1,009 blocks from now',
    change: but({ refundHeight: 501 + 1_008 + 21 }),
    verdict: fatal('RENEW-9', 'ERR_REFUND_HEIGHT_REFUSED')
  },
  {
    stage: 'renewal',
    name: 'that leaves T1 half of the estimate, for 150 vB',
    change: but({ capacity: 99_850n })
  },
  {
    stage: 'renewal',
    name: 'that leaves T1 1 sat less than half of the estimate',
    change: but({ capacity: 99_851n }),
    verdict: fatal('RENEW-4', 'ERR_RENEWAL_FEE')
  },
  {
    stage: 'renewal',
    name: 'that takes the fee of T1 from elsewhere',
    change: but({ capacity: 100_000n })
  },
  {
    stage: 'renewal',
    name: 'that leaves the client what a refund is worth',
    change: but({ capacity: 40_656n })
  },
  {
    stage: 'renewal',
    name: 'that leaves the client 1 sat less than a refund is worth',
    change: but({ capacity: 40_655n }),
    verdict: fatal('RENEW-10', 'ERR_RENEWAL_TOO_POOR')
  },
  { stage: 'renewal-answer', name: 'an honest one', change: same },
  {
    stage: 'renewal-answer',
    name: 'with half of the blocks for payments',
    change: but({ lastPaymentHeight: 602 })
  },
  {
    stage: 'renewal-answer',
    name: 'with 1 block less than half for payments',
    change: but({ lastPaymentHeight: 601 }),
    verdict: fatal('RENEW-11', 'ERR_TERMS_REFUSED')
  },
  { stage: 'funding', name: 'an honest one', change: same },
  {
    stage: 'funding',
    name: 'another transaction than the one that T2 spends',
    change: (_message, world) => ({
      type: 'Funding',
      fundingTx: buildT1({
        script: world.fundingScript,
        amount: 100_000n,
        coin: { ...world.coin, vout: world.coin.vout + 1 }
      })
    }),
    verdict: fatal('FUND-1', 'ERR_FUNDING_TXID')
  },
  {
    stage: 'funding',
    name: 'the same without the witness of its input',
    change: (_message, world) => ({
      type: 'Funding',
      fundingTx: buildT1({
        script: world.fundingScript,
        amount: 100_000n,
        coin: world.coin,
        witness: []
      })
    }),
    verdict: fatal('FUND-2', 'ERR_FUNDING_NOT_SEGWIT')
  },
  {
    stage: 'funding',
    name: 'a ChannelReady in its place',
    change: () => ({ type: 'ChannelReady' }),
    verdict: fatal('ERR-2', 'ERR_UNEXPECTED_MESSAGE')
  },
  { stage: 'first', name: 'an honest one', change: same },
  {
    stage: 'first',
    name: 'less than everything to the client',
    change: (_message, world) => forge(world, { payments: [], payerBalance: 99_000n }),
    verdict: fatal('UPD-9', 'ERR_BAD_INITIAL_STATE')
  },
  {
    stage: 'first',
    name: 'not signed by the client',
    change: (_message, world) =>
      forge(world, { payments: [], payerBalance: 100_000n }, world.server.channelKey.sign),
    verdict: fatal('UPD-4', 'ERR_BAD_SIGNATURE')
  },
  { stage: 'update', name: 'an honest one', change: same },
  {
    stage: 'update',
    name: 'two payments under one signature',
    change: update({ payments: [payment(2, 1_000n), payment(3, 500n)] })
  },
  {
    stage: 'update',
    name: 'of another turn',
    change: update({ turn: 1 }),
    verdict: fatal('UPD-1', 'ERR_WRONG_TURN')
  },
  {
    stage: 'update',
    name: 'out of order',
    change: update({ sequence: 3 }),
    verdict: fatal('UPD-2', 'ERR_OUT_OF_ORDER')
  },
  {
    stage: 'update',
    name: 'an old one again',
    change: update({ sequence: 1 }),
    verdict: fatal('UPD-2', 'ERR_OUT_OF_ORDER')
  },
  {
    stage: 'update',
    name: 'payments that do not add up to the balance',
    change: update({ payerBalance: 89_001n }),
    verdict: fatal('UPD-3', 'ERR_BALANCE_MISMATCH')
  },
  {
    stage: 'update',
    name: 'signed by somebody else',
    change: (_message, world) =>
      forge(world, { payments: [payment(2, 1_000n)] }, world.server.channelKey.sign),
    verdict: fatal('UPD-4', 'ERR_BAD_SIGNATURE')
  },
  {
    stage: 'update',
    name: 'more in flight than the limit',
    change: update({ payments: [payment(2, 20_001n)] }),
    verdict: fatal('UPD-6', 'ERR_ABOVE_IN_FLIGHT_LIMIT')
  },
  {
    stage: 'update',
    name: 'as much in flight as the limit',
    change: update({ payments: [payment(2, 20_000n)] })
  },
  {
    stage: 'update',
    name: 'without a payment',
    change: update({ payments: [] }),
    verdict: fatal('UPD-7', 'ERR_BAD_PAYMENT_COUNT')
  },
  {
    stage: 'update',
    name: 'one payment twice',
    change: update({ payments: [payment(2, 500n), payment(2, 500n)] }),
    verdict: fatal('UPD-14', 'ERR_DUPLICATE_PAYMENT')
  },
  {
    stage: 'update',
    name: 'a payment of nothing',
    change: update({ payments: [payment(2, 1_000n), payment(3, 0n)] }),
    verdict: fatal('UPD-13', 'ERR_INVALID_AMOUNT')
  },
  { stage: 'stake', name: 'as much at stake as the limit', change: same },
  {
    stage: 'stake',
    name: 'more at stake than the limit',
    change: update({ payments: [payment(2, 10_001n)] }),
    verdict: fatal('UPD-11', 'ERR_STAKE_TOO_HIGH')
  },
  { stage: 'first-payment', name: 'the least', change: same },
  {
    stage: 'first-payment',
    name: '1 sat less',
    change: update({ payments: [payment(2, 655n)] }),
    verdict: fatal('UPD-10', 'ERR_BELOW_MIN_FIRST_PAYMENT')
  },
  { stage: 'early', name: 'update 0 again, as behind a Reestablish', change: same },
  {
    stage: 'early',
    name: 'a payment',
    change: update({ payments: [payment(2, 1_000n)] }),
    verdict: fatal('FUND-4', 'ERR_CHANNEL_NOT_OPEN')
  },
  { stage: 'acknowledgement', name: 'an honest one', change: same },
  {
    stage: 'acknowledgement',
    name: 'again: acknowledged already, which is no news',
    change: but({ sequence: 1 })
  },
  {
    stage: 'acknowledgement',
    name: 'of what was never sent',
    change: but({ sequence: 3 }),
    verdict: fatal('UPD-15', 'ERR_BAD_ACK')
  },
  {
    stage: 'acknowledgement',
    name: 'of another turn',
    change: but({ turn: 1 }),
    verdict: fatal('UPD-15', 'ERR_BAD_ACK')
  },
  { stage: 'turn-request', name: 'an honest one', change: same },
  {
    stage: 'turn-request',
    name: 'for the turn after the next',
    change: but({ turn: 2 }),
    verdict: fatal('TURN-1', 'ERR_UNEXPECTED_TURN')
  },
  {
    stage: 'turn-request',
    name: 'for the present turn',
    change: but({ turn: 0 }),
    verdict: fatal('TURN-1', 'ERR_UNEXPECTED_TURN')
  },
  {
    stage: 'turn-request',
    name: 'for nothing',
    change: but({ amount: 0n }),
    verdict: gentle('', 'ERR_BELOW_MIN_TURN')
  },
  {
    stage: 'turn-request',
    name: 'for less than a turn is worth',
    change: but({ amount: 655n }),
    verdict: gentle('', 'ERR_BELOW_MIN_TURN')
  },
  { stage: 'turn-request', name: 'for as much as a turn is worth', change: but({ amount: 656n }) },
  {
    stage: 'turn-request',
    name: 'for more than the payee has',
    change: but({ amount: 40_001n }),
    verdict: gentle('', 'ERR_BELOW_MIN_TURN')
  },
  {
    stage: 'turn-request-again',
    name: 'a second one before the answer',
    change: same,
    verdict: fatal('TURN-1', 'ERR_UNEXPECTED_TURN')
  },
  { stage: 'turn-grant', name: 'an honest one', change: same },
  {
    stage: 'turn-grant',
    name: 'of another turn',
    change: but({ turn: 2 }),
    verdict: fatal('TURN-4', 'ERR_UNEXPECTED_TURN')
  },
  {
    stage: 'turn-grant',
    name: 'from an older update on',
    change: but({ sequence: 0 }),
    verdict: fatal('TURN-4', 'ERR_UNEXPECTED_TURN')
  },
  { stage: 'turn-refusal', name: 'an honest one', change: same },
  {
    stage: 'turn-refusal',
    name: 'of what was not asked for',
    change: but({ turn: 2 }),
    verdict: fatal('TURN-5', 'ERR_UNEXPECTED_TURN')
  },
  { stage: 'close', name: 'an honest one', change: same },
  {
    stage: 'close',
    name: 'of an older state',
    change: close(() => ({ sequence: 0, clientBalance: 100_000n, serverBalance: 0n })),
    verdict: gentle('CLOSE-1', 'ERR_LATER_UPDATES')
  },
  {
    stage: 'close',
    name: 'of other balances',
    change: close(() => ({ clientBalance: 90_001n, serverBalance: 9_999n })),
    verdict: gentle('CLOSE-1', 'ERR_BALANCE_MISMATCH')
  },
  {
    stage: 'close',
    name: 'to another script',
    change: close((world) => ({ clientScript: world.server.closeScript })),
    verdict: gentle('CLOSE-2', 'ERR_SCRIPT_MISMATCH')
  },
  { stage: 'close', name: 'for as much as the estimate', change: close(() => ({ fee: 338n })) },
  {
    stage: 'close',
    name: 'for 1 sat less than the estimate',
    change: close(() => ({ fee: 337n })),
    verdict: gentle('CLOSE-4', 'ERR_CLOSE_FEE_TOO_LOW')
  },
  {
    stage: 'close',
    name: 'for more than the asker has: there is no such transaction, so nothing to sign',
    change: but({ fee: 90_001n }),
    verdict: gentle('CLOSE-3', 'ERR_CLOSE_TOO_POOR')
  },
  {
    stage: 'close',
    name: 'with another signature',
    change: but({ signature: new Uint8Array(64).fill(7) }),
    verdict: gentle('CLOSE-5', 'ERR_BAD_SIGNATURE')
  },
  {
    stage: 'close',
    name: "signed by the server's key",
    change: (message, world) =>
      ({
        ...message,
        signature: world.server.channelKey.sign(closeDigest(world, message as CloseRequest))
      }) as Message,
    verdict: gentle('CLOSE-5', 'ERR_BAD_SIGNATURE')
  },
  { stage: 'close-again', name: 'an honest one', change: same },
  {
    stage: 'close-again',
    name: 'for a quarter more',
    change: close((world) => ({ fee: feeBefore(world) + feeBefore(world) / 4n }))
  },
  {
    stage: 'close-again',
    name: 'for 1 sat less than a quarter more',
    change: close((world) => ({ fee: feeBefore(world) + feeBefore(world) / 4n - 1n })),
    verdict: gentle('CLOSE-7', 'ERR_CLOSE_FEE_TOO_LOW')
  },
  { stage: 'close-done', name: 'an honest one', change: same },
  {
    stage: 'close-done',
    name: 'of a close that was not asked for',
    change: but({ txid: new Uint8Array(32).fill(1) }),
    verdict: fatal('ERR-2', 'ERR_UNEXPECTED_MESSAGE')
  }
]
