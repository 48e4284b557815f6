/** The verbs of the local API: what each is asked with, which call of the node it is, what it answers. */
import { z } from 'zod'
import { MAX_URI_LENGTH } from '../bitcoin/uri-length.js'
import type { NodeApi } from '../node/api.js'
import { PaychanError } from '../types/errors.js'
import { blockDelta } from '../types/units.js'
import { cancel, cancellable } from './cancellation.js'
import { withoutUndefined } from './objects.js'
import { toWire, type Wire, askedAmount, balance, bumpResult, channelInfo, closeResult, coinInfo, fees, nodeInfo, paymentInfo, payResult, peerInfo, psbtResult, recoverResult, sendResult, settleAllResult, walletTransaction } from './wire.js'

/** `read` reads the body of a response; `run` does what the body of a request asks for. */
export interface Verb<Answer> {
  readonly read: (body: unknown) => Answer
  readonly run: (node: NodeApi, body: unknown) => Promise<Wire>
}

function verb<Request, Answer> (ask: z.ZodType<Request>, answer: z.ZodType<Answer>, call: (node: NodeApi, request: Request) => Promise<Answer>): Verb<Answer> {
  return {
    read: body => answer.parse(body),
    run: async (node, body) => toWire(await call(node, readRequest(ask, body)))
  }
}

/** @throws PaychanError `ERR_UNKNOWN_FIELD`, `ERR_INVALID_REQUEST` (facts: field) */
function readRequest<Request> (ask: z.ZodType<Request>, body: unknown): Request {
  const result = ask.safeParse(body)
  if (result.success) return result.data
  const [issue] = result.error.issues
  if (issue?.code === 'unrecognized_keys') {
    const field = issue.keys[0] ?? ''
    throw new PaychanError('ERR_UNKNOWN_FIELD', `This verb has no field '${field}'.`, { field })
  }
  const field = issue?.path.join('.') ?? ''
  throw new PaychanError('ERR_INVALID_REQUEST', field === '' ? 'The body of a request is one JSON object.' : `The field '${field}' is wrong: ${(issue?.message ?? '').replace(/\.$/, '')}.`, { field })
}

const nothing = z.strictObject({})

const ticket = z.string().min(1).max(64)

/** Which targets there are, and that it is not both, the node says. */
const feeChoice = { satPerVByte: z.number().optional(), target: z.number().optional(), highFee: z.boolean().optional() }

const MOST_COINS = 1_000
const coins = z.array(z.string().min(1).max(128)).max(MOST_COINS)

const open = z.strictObject({
  peer: z.string().min(1),
  amount: askedAmount,
  blocks: z.int().min(1).max(1_000_000).transform(value => blockDelta(value)).optional(),
  twoWay: z.boolean().optional(),
  step: z.int().min(1).max(0xffff).optional(),
  renew: z.boolean().optional(),
  ...feeChoice,
  coins: coins.optional(),
  psbt: z.literal(true).optional(),
  wait: z.enum(['broadcast', 'ready']).optional(),
  /** A name for this call, drawn by the caller, to cancel it by. */
  ticket: ticket.optional()
})
const renew = z.strictObject({
  channel: z.string().min(1),
  amount: askedAmount.optional(),
  blocks: z.int().min(1).max(1_000_000).optional(),
  ...feeChoice,
  coins: coins.optional(),
  wait: z.enum(['broadcast', 'ready']).optional(),
  ticket: ticket.optional()
})
const fundingPsbt = z.strictObject({ channel: z.string().min(1), psbt: z.string().min(1), wait: z.enum(['broadcast', 'ready']).optional() })
const pay = z.strictObject({ to: z.string().min(1), amount: askedAmount, memo: z.string().optional(), id: z.string().optional() })
const send = z.strictObject({ to: z.string().min(1).max(MAX_URI_LENGTH), amount: z.union([z.literal('all'), askedAmount]).optional(), ...feeChoice, coins: coins.optional(), label: z.string().optional(), dryRun: z.boolean().optional() })
const bumpFee = z.strictObject({ txid: z.string().regex(/^[0-9a-fA-F]{64}$/, 'a transaction id has 64 hex digits'), ...feeChoice })
const payments = z.strictObject({ channel: z.string().min(1).optional(), limit: z.int().min(1).max(1_000_000).optional() })
const close = z.strictObject({ channel: z.string().min(1), force: z.boolean().optional() })

export const VERBS = {
  info: verb(nothing, nodeInfo, async node => await node.info()),
  address: verb(nothing, z.string(), async node => await node.address()),
  balance: verb(nothing, balance, async node => await node.balance()),
  send: verb(send, sendResult, async (node, request) => await node.send(withoutUndefined(request))),
  bumpFee: verb(bumpFee, bumpResult, async (node, { txid, ...options }) => await node.bumpFee(txid.toLowerCase(), withoutUndefined(options))),
  fees: verb(nothing, fees, async node => await node.fees()),
  coins: verb(nothing, z.array(coinInfo), async node => await node.coins()),
  lockCoins: verb(z.strictObject({ coins: coins.min(1) }), z.null(), async (node, { coins }) => { await node.lockCoins(coins); return null }),
  unlockCoins: verb(z.strictObject({ coins: coins.min(1) }), z.null(), async (node, { coins }) => { await node.unlockCoins(coins); return null }),
  transactions: verb(z.strictObject({ limit: z.int().min(1).max(1_000_000).optional() }), z.array(walletTransaction), async (node, filter) => await node.transactions(withoutUndefined(filter))),
  label: verb(z.strictObject({ of: z.string().min(1).max(128), text: z.string().max(1_024) }), z.null(), async (node, { of, text }) => { await node.label(of, text); return null }),
  connect: verb(z.strictObject({ multiaddr: z.string().min(1) }), peerInfo, async (node, { multiaddr }) => await node.connect(multiaddr)),
  peers: verb(nothing, z.array(peerInfo), async node => await node.peers()),
  recover: verb(z.strictObject({ peer: z.string().min(1) }), recoverResult, async (node, { peer }) => await node.recover(peer)),
  open: verb(open, channelInfo, async (node, { ticket, ...request }) => await cancellable(node, ticket, async signal => await node.open(withoutUndefined({ ...request, signal })))),
  fundingPsbt: verb(fundingPsbt, psbtResult, async (node, { channel, psbt, ...options }) => await node.fundingPsbt(channel, psbt, withoutUndefined(options))),
  renew: verb(renew, channelInfo, async (node, { ticket, channel, ...options }) => await cancellable(node, ticket, async signal => await node.renew(channel, withoutUndefined({ ...options, signal })))),
  cancel: verb(z.strictObject({ ticket }), z.null(), async (node, { ticket }) => { cancel(node, ticket); return null }),
  pay: verb(pay, payResult, async (node, request) => await node.pay(withoutUndefined(request))),
  channels: verb(nothing, z.array(channelInfo), async node => await node.channels()),
  payments: verb(payments, z.array(paymentInfo), async (node, filter) => await node.payments(withoutUndefined(filter))),
  settleAll: verb(nothing, settleAllResult, async node => await node.settleAll()),
  close: verb(close, closeResult, async (node, { channel, ...options }) => await node.close(channel, withoutUndefined(options))),
  stop: verb(nothing, z.null(), async node => { await node.stop(); return null })
} as const

export type VerbName = keyof typeof VERBS

export const VERB_NAMES = Object.keys(VERBS) as VerbName[]

/** Whether there is such a verb. Own names only: `constructor` is none. */
export function isVerb (name: string): name is VerbName {
  return Object.hasOwn(VERBS, name)
}
