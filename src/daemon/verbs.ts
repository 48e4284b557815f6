/**
 * The verbs of the local API, one row each: its name, the call of the node that it makes, its
 * request, its answer, and its effect on money. The server, the client and `docs/api.md` come from
 * this table.
 */
import { z } from 'zod'
import { MAX_URI_LENGTH } from '../bitcoin/uri-length.js'
import { BUDGET_SPANS } from '../node/access.js'
import type { NodeApi } from '../node/api.js'
import { peerText } from '../node/choose.js'
import { MOST_UNUSED } from '../wallet/gaps.js'
import { PaychanError } from '../types/errors.js'
import { didYouMean } from '../types/amount.js'
import { blockDelta } from '../types/units.js'
import {
  type CallAt,
  cancel,
  type Given,
  type NodeCall,
  placeOf,
  readRequest,
  ticket,
  verb,
  type Verb
} from './verb.js'
import {
  askedAmount,
  backupResult,
  balance,
  bumpResult,
  channelInfo,
  closeResult,
  coinInfo,
  fees,
  newToken,
  newWebhook,
  numberedEvents,
  nodeInfo,
  paymentDetails,
  paymentInfo,
  payResult,
  peerAlias,
  peerInfo,
  psbtResult,
  receiptInfo,
  recoverResult,
  requestInfo,
  requestPayment,
  requestTerms,
  scopes,
  sendResult,
  settleAllResult,
  tokenInfo,
  walletTransaction,
  webhookInfo,
  withoutUndefined
} from './wire.js'

/** Puts a call at the place of each verb in `NodeApi`. */
export function callsOfVerbs(
  make: (verb: Verb) => (...args: never[]) => Promise<unknown>
): ServedApi {
  const node: Record<string, unknown> = {}
  for (const verb of TABLE) {
    const { facet, name } = placeOf(verb.call)
    const part = facet === undefined ? node : ((node[facet] ??= {}) as Record<string, unknown>)
    part[name] = make(verb)
  }
  return node as unknown as ServedApi
}

/** `NodeApi` as far as verbs serve it. When a call has no verb it is `never`: nothing compiles. */
type ServedApi = NodeCall extends Served['call']
  ? Omit<NodeApi, 'chain' | 'events'> & { readonly chain: Omit<NodeApi['chain'], 'untilHeight'> }
  : never

/** The node checks the target, and that only one of the two is given. */
const feeChoice = {
  satPerVByte: z.number().optional(),
  target: z.number().optional(),
  highFee: z.boolean().optional()
}

const text = z.string().min(1)
const wait = z.enum(['broadcast', 'ready']).optional()
const limit = z.int().min(1).max(1_000_000).optional()

const MOST_COINS = 1_000
const coins = z.array(text.max(128)).max(MOST_COINS)
const lifetime = z.int().min(1).max(1_000_000)
const eventNumber = z.int().min(1)

const none = (): object => ({})

const TABLE = [
  verb('info', 'info', {
    scope: 'read',
    meaning: 'who the node is, what it accepts, how it sees the chain',
    request: {},
    answer: nodeInfo,
    body: none,
    args: () => [],
    countsAll: true
  }),
  verb('address', 'wallet.address', {
    scope: 'receive',
    meaning: `a fresh address of the wallet; after ${MOST_UNUSED} that nobody has paid to, the newest again`,
    request: {},
    answer: z.string(),
    body: none,
    args: () => []
  }),
  verb('balance', 'wallet.balance', {
    scope: 'read',
    meaning: 'what is free, reserved, on its way and in channels',
    request: {},
    answer: balance,
    body: none,
    args: () => [],
    countsAll: true
  }),
  verb('send', 'wallet.send', {
    scope: 'manage',
    meaning: 'pays to an address, or what a `bitcoin:` URI asks for',
    request: {
      to: text.max(MAX_URI_LENGTH),
      amount: z.union([z.literal('all'), askedAmount]).optional(),
      ...feeChoice,
      coins: coins.optional(),
      label: z.string().optional(),
      dryRun: z.boolean().optional()
    },
    answer: sendResult,
    body: (options) => options,
    args: (request) => [request]
  }),
  verb('bumpFee', 'wallet.bumpFee', {
    scope: 'manage',
    meaning: 'raises the fee of a transaction that waits for a block',
    request: {
      txid: z.string().regex(/^[0-9a-fA-F]{64}$/, 'a transaction id has 64 hex digits'),
      ...feeChoice
    },
    answer: bumpResult,
    body: (txid, choice) => ({ txid, ...choice }),
    args: ({ txid, ...choice }) => [txid.toLowerCase(), choice]
  }),
  verb('fees', 'chain.fees', {
    scope: 'read',
    meaning: 'what the servers estimate, and the least that they relay',
    request: {},
    answer: fees,
    body: (options) => options ?? {},
    args: () => []
  }),
  verb('coins', 'wallet.coins', {
    scope: 'read',
    meaning: 'the coins of the wallet, the largest first',
    request: {},
    answer: z.array(coinInfo),
    body: none,
    args: () => [],
    countsAll: true
  }),
  verb('lockCoins', 'wallet.lockCoins', {
    scope: 'manage',
    meaning: 'keeps coins from being chosen',
    request: { coins: coins.min(1) },
    answer: z.null(),
    body: (coins) => ({ coins }),
    args: ({ coins }) => [coins]
  }),
  verb('unlockCoins', 'wallet.unlockCoins', {
    scope: 'manage',
    meaning: 'lets them be chosen again',
    request: { coins: coins.min(1) },
    answer: z.null(),
    body: (coins) => ({ coins }),
    args: ({ coins }) => [coins]
  }),
  verb('transactions', 'wallet.transactions', {
    scope: 'read',
    meaning: 'the transactions of the wallet, the newest first',
    request: { limit },
    answer: z.array(walletTransaction),
    body: (filter) => filter ?? {},
    args: (filter) => [filter],
    countsAll: true
  }),
  verb('label', 'wallet.label', {
    scope: 'manage',
    meaning: 'names a transaction or an address',
    request: { of: text.max(128), text: z.string().max(1_024) },
    answer: z.null(),
    body: (of, text) => ({ of, text }),
    args: ({ of, text }) => [of, text]
  }),
  verb('connect', 'peers.connect', {
    scope: 'manage',
    meaning: 'connects to a peer',
    request: { multiaddr: text },
    answer: peerInfo,
    body: (multiaddr, options) => ({ multiaddr: peerText(multiaddr), ...options }),
    args: ({ multiaddr }) => [multiaddr]
  }),
  verb('peers', 'peers.list', {
    scope: 'read',
    meaning: 'the peers that are connected, or have channels',
    request: {},
    answer: z.array(peerInfo),
    body: none,
    args: () => [],
    countsAll: true
  }),
  verb('recover', 'channels.recover', {
    scope: 'manage',
    meaning: 'asks a peer for channels that this node has lost',
    request: { peer: text },
    answer: recoverResult,
    body: (peer, options) => ({ peer: peerText(peer), ...options }),
    args: ({ peer }) => [peer]
  }),
  verb('open', 'channels.open', {
    scope: 'manage',
    meaning: 'opens and funds a channel',
    request: {
      peer: text,
      amount: askedAmount,
      blocks: lifetime.transform((value) => blockDelta(value)).optional(),
      twoWay: z.boolean().optional(),
      step: z.int().min(1).max(0xffff).optional(),
      renew: z.boolean().optional(),
      ...feeChoice,
      mostFee: askedAmount.optional(),
      coins: coins.optional(),
      psbt: z.literal(true).optional(),
      wait
    },
    answer: channelInfo,
    isCancellable: true,
    body: (request) => ({ ...request, peer: peerText(request.peer) }),
    args: (request, signal) => [withoutUndefined({ ...request, signal })]
  }),
  verb('fundingPsbt', 'channels.fundingPsbt', {
    scope: 'manage',
    meaning: 'hands over the funding transaction that an outside wallet made',
    request: { channel: text, psbt: text, wait },
    answer: psbtResult,
    body: (channel, psbt, options) => ({ channel, psbt, ...options }),
    args: ({ channel, psbt, ...options }) => [channel, psbt, options]
  }),
  verb('renew', 'channels.renew', {
    scope: 'manage',
    meaning:
      'closes a channel and opens the next one in one transaction, with more coins in it when an amount is named',
    request: {
      channel: text,
      amount: askedAmount.optional(),
      blocks: lifetime.optional(),
      ...feeChoice,
      coins: coins.optional(),
      wait
    },
    answer: channelInfo,
    isCancellable: true,
    body: (channel, options) => ({ channel, ...options }),
    args: ({ channel, ...options }, signal) => [channel, withoutUndefined({ ...options, signal })]
  }),
  verb('pay', 'pay', {
    scope: 'pay',
    meaning: "pays a peer, or on a channel; answers once it is on the payee's disk",
    request: {
      to: text,
      amount: askedAmount,
      memo: z.string().optional(),
      id: z.string().optional()
    },
    answer: payResult,
    body: (request) => ({ ...request, to: peerText(request.to) }),
    args: (request) => [request]
  }),
  verb('channels', 'channels.list', {
    scope: 'read',
    meaning: 'all channels, the newest first, or the one with an id of 64 digits',
    request: { id: text.max(64).optional() },
    answer: z.array(channelInfo),
    body: (filter = {}) => filter,
    args: (request) => [request],
    countsAll: true
  }),
  verb('payments', 'payments.list', {
    scope: 'read',
    meaning: 'what was paid and received, the newest first',
    request: {
      channel: text.optional(),
      peer: text.optional(),
      since: z.number().optional(),
      until: z.number().optional(),
      direction: z.enum(['sent', 'received']).optional(),
      status: z.enum(['acknowledged', 'unknown', 'failed']).optional(),
      memo: z.string().max(1_024).optional(),
      limit
    },
    answer: z.array(paymentInfo),
    body: (filter) =>
      filter?.peer === undefined ? { ...filter } : { ...filter, peer: peerText(filter.peer) },
    args: (filter) => [filter],
    readsLog: true
  }),
  verb('payment', 'payments.get', {
    scope: 'read',
    meaning: 'one payment, by its id or by the name that it was made with',
    request: { id: text.max(512) },
    answer: paymentDetails,
    body: (id) => ({ id }),
    args: ({ id }) => [id],
    seeksPayment: true,
    readsLog: true
  }),
  verb('makeRequest', 'requests.make', {
    scope: 'receive',
    meaning: 'makes a signed request to be paid, with an amount or without',
    request: {
      amount: askedAmount.optional(),
      memo: z.string().optional(),
      expiresIn: z.union([z.literal('never'), z.number().meta({ unit: 'seconds' })]).optional(),
      reusable: z.boolean().optional()
    },
    answer: requestInfo,
    // Who asks is known by the token; on the socket of the owner nobody has a share.
    body: (options) => withoutUndefined({ ...options, maker: undefined }),
    args: (options, _signal, maker) => [withoutUndefined({ ...options, maker })]
  }),
  verb('requests', 'requests.list', {
    scope: 'read',
    meaning: 'the payment requests of this node, the newest first',
    request: { limit },
    answer: z.array(requestInfo),
    body: (filter) => filter ?? {},
    args: (filter) => [filter],
    readsLog: true
  }),
  verb('readRequest', 'requests.read', {
    scope: 'read',
    meaning: 'says what a payment request asks for, and checks its signature',
    request: { request: text.max(MAX_URI_LENGTH) },
    answer: requestTerms,
    body: (request) => ({ request }),
    args: ({ request }) => [request]
  }),
  verb('payRequest', 'requests.pay', {
    scope: 'pay',
    meaning: 'pays a payment request once, and fetches the receipt that its payee signs',
    request: {
      request: text.max(MAX_URI_LENGTH),
      amount: askedAmount.optional(),
      id: z.string().optional()
    },
    answer: requestPayment,
    body: (options) => options,
    args: (options) => [options]
  }),
  verb('receipt', 'requests.receipt', {
    scope: 'read',
    meaning: 'the receipt for a request that was paid; asks the payee when it is not here yet',
    request: { request: text.max(MAX_URI_LENGTH), id: z.string().optional() },
    answer: receiptInfo,
    body: (request, id, options) => ({ request, id, ...options }),
    args: ({ request, id }) => [request, id],
    seeksPayment: true,
    readsLog: true
  }),
  verb('alias', 'peers.alias', {
    scope: 'manage',
    meaning: 'gives a peer a name',
    request: { peer: text, name: text },
    answer: peerAlias,
    body: (peer, name) => ({ peer: peerText(peer), name }),
    args: ({ peer, name }) => [peer, name]
  }),
  verb('unalias', 'peers.unalias', {
    scope: 'manage',
    meaning: 'takes a name away',
    request: { name: text },
    answer: z.null(),
    body: (name) => ({ name }),
    args: ({ name }) => [name]
  }),
  verb('aliases', 'peers.aliases', {
    scope: 'read',
    meaning: 'the names that peers have been given',
    request: {},
    answer: z.array(peerAlias),
    body: none,
    args: () => [],
    countsAll: true
  }),
  verb('makeToken', 'access.make', {
    scope: 'manage',
    meaning: 'makes a token for the API on TCP, with what it may do and pay; shows its secret once',
    request: {
      name: text,
      scopes,
      budget: z.strictObject({ amount: askedAmount, per: z.enum(BUDGET_SPANS) }).optional(),
      expiresIn: z.int().meta({ unit: 'seconds' }).optional()
    },
    answer: newToken,
    body: (options) => options,
    args: (options) => [options],
    showsSecret: true
  }),
  verb('tokens', 'access.list', {
    scope: 'manage',
    meaning: 'the tokens, the newest first, with what each has paid of its budget',
    request: {},
    answer: z.array(tokenInfo),
    body: none,
    args: () => []
  }),
  verb('revokeToken', 'access.revoke', {
    scope: 'manage',
    meaning: 'takes a token away',
    request: { id: text.max(64) },
    answer: z.null(),
    body: (id) => ({ id }),
    args: ({ id }) => [id]
  }),
  verb('addWebhook', 'webhooks.add', {
    scope: 'manage',
    meaning: 'posts events to a URL, from now on or from a number on; shows its secret once',
    request: {
      url: text.max(4_096),
      events: numberedEvents.optional(),
      from: eventNumber.optional()
    },
    answer: newWebhook,
    body: (options) => options,
    args: (options) => [options],
    showsSecret: true
  }),
  verb('webhooks', 'webhooks.list', {
    scope: 'manage',
    meaning: 'the webhooks, the newest first, with how far each has come',
    request: {},
    answer: z.array(webhookInfo),
    body: none,
    args: () => []
  }),
  verb('removeWebhook', 'webhooks.remove', {
    scope: 'manage',
    meaning: 'takes a webhook away',
    request: { id: text.max(64) },
    answer: z.null(),
    body: (id) => ({ id }),
    args: ({ id }) => [id]
  }),
  verb('replayWebhook', 'webhooks.replay', {
    scope: 'manage',
    meaning: 'posts the events from a number on once more, also where a receiver wanted no more',
    request: { id: text.max(64), from: eventNumber },
    answer: webhookInfo,
    body: (id, from) => ({ id, from }),
    args: ({ id, from }) => [id, from]
  }),
  verb('settleAll', 'channels.settleAll', {
    scope: 'manage',
    meaning: 'takes what was paid on all one-way channels, without the clients',
    request: {},
    answer: settleAllResult,
    body: (options) => options ?? {},
    args: () => []
  }),
  verb('close', 'channels.close', {
    scope: 'manage',
    meaning: 'closes a channel with the peer; by force alone',
    request: { channel: text, force: z.boolean().optional(), ...feeChoice },
    answer: closeResult,
    body: (channel, options) => ({ channel, ...options }),
    args: ({ channel, ...options }) => [channel, options]
  }),
  verb('backup', 'backup', {
    scope: 'manage',
    meaning: 'writes an encrypted backup of everything into a file of its machine',
    request: { file: text.max(4_096), passphrase: text.max(1_024) },
    answer: backupResult,
    body: (request) => request,
    args: (request) => [request]
  }),
  verb('stop', 'stop', {
    scope: 'manage',
    meaning: 'stops the node',
    request: {},
    answer: z.null(),
    body: none,
    args: () => []
  })
] as const

type Served = (typeof TABLE)[number]

/** The names of the verbs that make a call of the node. */
export type NodeVerb = Served['name']

/** The call that a verb makes. */
export type CallOf<Name extends NodeVerb> = CallAt<Extract<Served, { readonly name: Name }>['call']>

/** The body of a request of a verb. */
export type RequestOf<Name extends NodeVerb> = Given<
  z.output<z.ZodObject<Extract<Served, { readonly name: Name }>['shape'], z.core.$strict>>
>

const byTicket = z.strictObject({ ticket })

/** A verb of this API, not a call of the node. */
export const CANCEL: Verb = {
  name: 'cancel',
  call: undefined,
  scope: 'manage',
  meaning: 'gives up the call that was made with a ticket, as long as its transaction has not left',
  request: byTicket,
  answer: z.null(),
  body: none,
  isCancellable: false,
  showsSecret: false,
  seeksPayment: false,
  readsLog: false,
  countsAll: false,
  run: async (node, body) => {
    cancel(node, readRequest(byTicket, body).ticket)
    return null
  }
}

export const VERBS: ReadonlyMap<string, Verb> = new Map<string, Verb>(
  [...TABLE, CANCEL].map((row) => [row.name, row])
)

/** @throws PaychanError `ERR_UNKNOWN_VERB` */
export function verbNamed(name: string): Verb {
  const verb = VERBS.get(name)
  if (verb !== undefined) return verb
  const [said, near] = [name.slice(0, 64), didYouMean(name, [...VERBS.keys()])]
  throw new PaychanError('ERR_UNKNOWN_VERB', `There is no verb '${said}'.${near}`, { verb: said })
}

/** True for a verb that changes nothing. */
export function isShown({ scope }: Verb): boolean {
  return scope === 'read'
}
