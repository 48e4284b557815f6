/**
 * The local API's JSON: amounts are decimal strings (a JSON number is a double), undefined is null.
 * `toWire` writes it; the schemas read it back into the types of `NodeApi`.
 */
import { z } from 'zod'
import { NETWORKS } from '../bitcoin/network-names.js'
import { type FactUnit, NEWS, type News } from '../channel/effects.js'
import { ofEachSetting, type Policy } from '../channel/policy.js'
import type {
  BackupResult,
  Balance,
  BumpResult,
  ChannelInfo,
  CloseResult,
  CoinInfo,
  Fees,
  NewToken,
  NewWebhook,
  NodeEvent,
  NodeInfo,
  PaymentDetails,
  PaymentInfo,
  PayResult,
  PeerAlias,
  PeerInfo,
  PsbtResult,
  ReceiptInfo,
  RecoverResult,
  RequestInfo,
  RequestPayment,
  RequestTerms,
  SendResult,
  SettleAllResult,
  TokenInfo,
  WalletTransaction,
  WebhookInfo
} from '../node/api.js'
import { BUDGET_SPANS, SCOPES } from '../node/access.js'
import { NUMBERED_EVENTS } from '../node/answers.js'
import { channelId, txid } from '../types/bytes.js'
import type { ErrorRecord } from '../types/errors.js'
import { blockDelta, blockHeight, satoshi, type Satoshi } from '../types/units.js'

export type Wire = null | boolean | number | string | Wire[] | { [key: string]: Wire }

/** Plain data as JSON can hold it. */
export function toWire(value: unknown): Wire {
  if (value === undefined || value === null) return null
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string') {
    return value
  }
  if (Array.isArray(value)) return value.map(toWire)
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, toWire(field)]))
  }
  throw new TypeError(`a ${typeof value} is not data`)
}

/** 16 digits hold 21 million bitcoin in satoshis. */
const amount: z.ZodType<Satoshi> = z
  .string()
  .regex(/^\d{1,16}$/, 'an amount in satoshis, as a decimal string')
  .transform((text) => satoshi(BigInt(text)))
  .meta({ unit: 'sat' })

/**
 * An amount in a request: a negative one, or more than all bitcoin, is `ERR_INVALID_AMOUNT`, not an
 * error of form.
 */
export const askedAmount: z.ZodType<Satoshi> = z
  .string()
  .regex(/^-?\d{1,20}$/, 'an amount in satoshis, as a decimal string')
  .transform((text) => satoshi(BigInt(text)))
  .meta({ unit: 'sat' })

/** Reads null as undefined. */
function maybe<T>(schema: z.ZodType<T>): z.ZodType<T | undefined> {
  return schema.nullable().transform((value) => value ?? undefined)
}

const height = z
  .int()
  .transform((value) => blockHeight(value))
  .meta({ unit: 'height' })
const channel = z.string().transform((value) => channelId(value))
const transaction = z.string().transform((value) => txid(value))
const role = z.enum(['client', 'server'])
const chainStatus = z.enum(['connecting', 'synced', 'down'])

const blocks = z
  .int()
  .transform((value) => blockDelta(value))
  .meta({ unit: 'blocks' })

/** Milliseconds since 1970. */
const time = z.number().meta({ unit: 'ms' })

const policy = z.object(
  ofEachSetting(({ unit, otherwise }): z.ZodType => {
    const value = unit === 'sat' ? amount : unit === 'blocks' ? blocks : z.number().meta({ unit })
    return otherwise === undefined ? value : maybe<unknown>(value)
  })
) as unknown as z.ZodType<Policy>

const histories = z.object({ known: z.number(), total: z.number() })

export const nodeInfo: z.ZodType<NodeInfo> = z
  .object({
    version: z.string(),
    network: z.enum(NETWORKS),
    peerId: z.string(),
    multiaddrs: z.array(z.string()),
    dataDir: z.string(),
    addresses: z.object({ receive: z.number(), change: z.number(), close: z.number() }).optional(),
    chain: z.object({
      status: chainStatus,
      server: z.string(),
      height: maybe(height),
      hash: maybe(z.string()),
      lastError: maybe(z.string()),
      lastErrorCode: maybe(z.string()).optional(),
      servers: z.array(
        z.object({
          url: z.string(),
          state: z.enum(['used', 'connecting', 'down', 'dropped']),
          height: maybe(height),
          problem: maybe(z.string())
        })
      ),
      histories: maybe(histories).optional()
    }),
    channels: z.object({ open: z.number(), total: z.number(), unwatched: z.number() }),
    policy,
    leastFirstPayment: amount,
    ecdsa: z.string()
  })
  .meta({ title: 'NodeInfo' })

export const balance: z.ZodType<Balance> = z
  .object({
    confirmed: amount,
    pending: amount,
    reserved: amount,
    locked: amount,
    inChannels: amount,
    unwatched: amount,
    unswept: amount,
    total: amount
  })
  .meta({ title: 'Balance' })

export const sendResult: z.ZodType<SendResult> = z
  .object({
    txid: maybe(transaction),
    to: z.string(),
    amount,
    fee: amount,
    satPerVByte: z.number(),
    vsize: z.number(),
    change: amount,
    message: maybe(z.string()),
    broadcast: z.boolean()
  })
  .meta({ title: 'SendResult' })

export const bumpResult: z.ZodType<BumpResult> = z
  .object({
    kind: z.enum(['replacement', 'child']),
    txid: transaction,
    of: transaction,
    fee: amount,
    satPerVByte: z.number(),
    vsize: z.number(),
    broadcast: z.boolean()
  })
  .meta({ title: 'BumpResult' })

export const fees: z.ZodType<Fees> = z
  .object({
    leastSatPerVByte: z.number(),
    estimates: z.array(z.object({ blocks: z.number(), satPerVByte: z.number() }))
  })
  .meta({ title: 'Fees' })

export const coinInfo: z.ZodType<CoinInfo> = z
  .object({
    outPoint: z.string(),
    amount,
    address: z.string(),
    height: maybe(height),
    confirmations: z.number(),
    label: maybe(z.string()),
    state: z.enum(['free', 'reserved', 'locked', 'unconfirmed']),
    locked: z.boolean(),
    channel: maybe(channel),
    spentBy: maybe(transaction)
  })
  .meta({ title: 'Coin' })

/** Negative when the wallet's coins became less. */
const difference = z
  .string()
  .regex(/^-?\d{1,16}$/)
  .transform((text) => BigInt(text))
  .meta({ unit: 'sat' })

export const walletTransaction: z.ZodType<WalletTransaction> = z
  .object({
    txid: transaction,
    kind: z.enum(['funding', 'close', 'settlement', 'refund', 'sweep', 'send', 'bump', 'receive']),
    amount: difference,
    fee: maybe(amount),
    height: maybe(height),
    confirmations: z.number(),
    status: z.enum(['waiting', 'mempool', 'confirmed']),
    label: maybe(z.string())
  })
  .meta({ title: 'Transaction' })

export const peerInfo: z.ZodType<PeerInfo> = z
  .object({
    peerId: z.string(),
    connected: z.boolean(),
    multiaddrs: z.array(z.string()),
    paychan: maybe(z.boolean()),
    alias: maybe(z.string()).optional()
  })
  .meta({ title: 'Peer' })

export const backupResult: z.ZodType<BackupResult> = z
  .object({
    file: z.string(),
    id: z.string(),
    madeAt: time,
    network: z.enum(NETWORKS),
    peerId: z.string(),
    channels: z.number(),
    records: z.number()
  })
  .meta({ title: 'BackupResult' })

export const peerAlias: z.ZodType<PeerAlias> = z
  .object({ name: z.string(), peerId: z.string() })
  .meta({ title: 'PeerAlias' })

export const channelInfo: z.ZodType<ChannelInfo> = z
  .object({
    id: channel,
    peerId: z.string(),
    role,
    status: z.enum([
      'opening',
      'confirming',
      'open',
      'offline',
      'closing',
      'settling',
      'refunding',
      'stopped',
      'closed',
      'abandoned'
    ]),
    reason: maybe(z.string()),
    capacity: amount,
    ourBalance: amount,
    theirBalance: amount,
    mode: z.enum(['one-way', 'two-way']),
    spendable: amount,
    receivable: amount,
    alone: maybe(z.object({ by: z.enum(['settlement', 'refund']), from: height })),
    turns: maybe(
      z.object({
        number: z.number(),
        payer: z.enum(['us', 'peer']),
        left: z.number(),
        step: z.number(),
        oursMatures: maybe(height),
        theirsMatures: maybe(height)
      })
    ),
    inFlight: amount,
    atRisk: amount,
    stake: amount,
    risk: maybe(z.number()),
    funding: maybe(z.object({ txid: transaction, vout: z.number() })),
    outside: maybe(
      z.object({
        needs: z.enum(['inputs', 'signatures']),
        address: z.string(),
        amount,
        psbt: z.string()
      })
    ),
    confirmations: z.number(),
    fundingSeen: z.boolean(),
    fundingAgreed: z.boolean(),
    watched: z.boolean(),
    minDepth: maybe(z.number()),
    lastPaymentHeight: maybe(height),
    settleHeight: maybe(height),
    refundHeight: height,
    limits: maybe(
      z.object({
        minFirstPayment: amount,
        maxStake: amount,
        minTurnAmount: amount,
        maxInFlightUpdates: z.number(),
        maxInFlightValue: amount,
        maxRisk: z.number()
      })
    ),
    renews: maybe(channel),
    renewedAs: maybe(channel),
    renewFor: maybe(blocks),
    payments: z.object({ sent: z.number(), received: z.number() }),
    spend: maybe(
      z.object({
        kind: z.enum(['close', 'settlement', 'refund', 'unknown']),
        txid: transaction,
        height: maybe(height)
      })
    )
  })
  .meta({ title: 'Channel' })

const paymentShape = {
  id: z.string(),
  channel,
  peerId: z.string(),
  direction: z.enum(['sent', 'received']),
  amount,
  memo: z.string(),
  status: z.enum(['acknowledged', 'unknown', 'failed']),
  time
}

export const psbtResult: z.ZodType<PsbtResult> = z
  .object({
    channel: channelInfo,
    warnings: z.array(z.string())
  })
  .meta({ title: 'PsbtResult' })

export const paymentInfo: z.ZodType<PaymentInfo> = z.object(paymentShape).meta({ title: 'Payment' })

export const paymentDetails: z.ZodType<PaymentDetails> = z
  .object({
    ...paymentShape,
    name: maybe(z.string()),
    parts: z.array(paymentInfo)
  })
  .meta({ title: 'PaymentDetails' })

export const payResult: z.ZodType<PayResult> = z
  .object({
    ...paymentShape,
    requestId: maybe(z.string()),
    already: z.boolean(),
    parts: z.array(paymentInfo)
  })
  .meta({ title: 'PaymentResult' })

export const requestInfo: z.ZodType<RequestInfo> = z
  .object({
    id: z.string(),
    text: z.string(),
    uri: z.string(),
    state: z.enum(['open', 'partly', 'paid', 'expired']),
    amount: maybe(amount),
    memo: z.string(),
    made: time,
    expires: maybe(time),
    reusable: z.boolean(),
    received: amount,
    payments: z.number(),
    paidBy: maybe(z.string()),
    paidAt: maybe(time),
    leastFirstPayment: amount
  })
  .meta({ title: 'Request' })

export const requestTerms: z.ZodType<RequestTerms> = z
  .object({
    id: z.string(),
    network: z.enum(NETWORKS),
    payee: z.string(),
    multiaddrs: z.array(z.string()),
    amount: maybe(amount),
    memo: z.string(),
    made: time,
    expires: maybe(time),
    reusable: z.boolean(),
    leastFirstPayment: amount
  })
  .meta({ title: 'RequestTerms' })

export const requestPayment: z.ZodType<RequestPayment> = z
  .object({
    ...paymentShape,
    requestId: maybe(z.string()),
    already: z.boolean(),
    parts: z.array(paymentInfo),
    request: z.string(),
    receipt: maybe(z.string()),
    receiptProblem: maybe(z.string())
  })
  .meta({ title: 'RequestPayment' })

export const receiptInfo: z.ZodType<ReceiptInfo> = z
  .object({
    text: z.string(),
    network: z.enum(NETWORKS),
    request: z.string(),
    nonce: maybe(z.string()),
    payee: z.string(),
    payer: z.string(),
    amount,
    memo: z.string(),
    paid: time
  })
  .meta({ title: 'Receipt' })

export const scopes = z.array(z.enum(SCOPES))

const budget = z.object({ amount, per: z.enum(BUDGET_SPANS) }).meta({ title: 'Budget' })

const tokenShape = {
  id: z.string(),
  name: z.string(),
  scopes,
  budget: maybe(budget),
  spent: amount,
  made: time,
  expires: maybe(time)
}

export const tokenInfo: z.ZodType<TokenInfo> = z.object(tokenShape).meta({ title: 'Token' })

export const newToken: z.ZodType<NewToken> = z
  .object({ ...tokenShape, token: z.string() })
  .meta({ title: 'NewToken' })

export const numberedEvents = z.array(z.enum(NUMBERED_EVENTS))

const webhookShape = {
  id: z.string(),
  url: z.string(),
  events: maybe(numberedEvents),
  status: z.enum(['active', 'failing', 'stopped']),
  delivered: z.number(),
  failures: z.number(),
  nextTry: maybe(time),
  lastStatus: maybe(z.number()),
  lastProblem: maybe(z.string()),
  made: time
}

export const webhookInfo: z.ZodType<WebhookInfo> = z.object(webhookShape).meta({ title: 'Webhook' })

export const newWebhook: z.ZodType<NewWebhook> = z
  .object({ ...webhookShape, secret: z.string() })
  .meta({ title: 'NewWebhook' })

export const closeResult: z.ZodType<CloseResult> = z
  .object({
    channel,
    kind: z.enum(['close', 'settlement', 'abandoned']),
    txid: maybe(transaction)
  })
  .meta({ title: 'CloseResult' })

export const recoverResult: z.ZodType<RecoverResult> = z
  .object({
    peerId: z.string(),
    recovered: z.array(channelInfo),
    known: z.number(),
    refused: z.array(z.object({ channel, code: z.string(), reason: z.string() }))
  })
  .meta({ title: 'RecoverResult' })

export const settleAllResult: z.ZodType<SettleAllResult> = z
  .object({
    settled: z.array(closeResult),
    failed: z.array(z.object({ channel, code: z.string(), reason: z.string() })),
    leftOut: z.array(channel)
  })
  .meta({ title: 'SettleAllResult' })

/** The nine steps of the classic channel, and its end. */
const step = z.literal([1, 2, 3, 4, 5, 6, 7, 8, 9, 'close', 'settlement', 'refund'])

const FACTS = {
  sat: amount,
  height,
  number: z.number(),
  text: z.string(),
  code: z.string(),
  channel
}

/** News about a channel: its kind, and the facts in its row of the table. */
const news = z.union(
  Object.entries(NEWS).map(([kind, facts]) =>
    z
      .object({
        kind: z.literal(kind),
        ...Object.fromEntries(
          Object.entries<FactUnit>(facts).map(([fact, unit]) => [fact, FACTS[unit]])
        )
      })
      .meta({ title: `News${pascal(kind)}` })
  )
) as unknown as z.ZodType<News>

/** `funding-built` is `FundingBuilt`. */
function pascal(name: string): string {
  return name.replace(/(?:^|-)(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** Amounts among the facts are texts. */
const fact = z.union([z.string(), z.number(), z.boolean()])

export const nodeEvent: z.ZodType<NodeEvent> = z.union([
  z
    .object({
      type: z.literal('channel'),
      channel: channelInfo,
      news,
      step: maybe(step).optional(),
      txid: maybe(transaction).optional()
    })
    .meta({ title: 'ChannelEvent' }),
  z.object({ type: z.literal('payment'), payment: paymentInfo }).meta({ title: 'PaymentEvent' }),
  z.object({ type: z.literal('request'), request: requestInfo }).meta({ title: 'RequestEvent' }),
  z
    .object({
      type: z.literal('chain'),
      status: chainStatus,
      height: maybe(height),
      reason: maybe(z.string()).optional()
    })
    .meta({ title: 'ChainEvent' }),
  histories.extend({ type: z.literal('histories') }).meta({ title: 'HistoriesEvent' }),
  z
    .object({
      type: z.literal('risk'),
      channel,
      risk: z.number(),
      stake: amount,
      isHigh: z.boolean()
    })
    .meta({ title: 'RiskEvent' }),
  z
    .object({ type: z.literal('server'), server: z.string(), code: z.string(), text: z.string() })
    .meta({ title: 'ServerEvent' }),
  z
    .object({
      type: z.literal('alarm'),
      code: z.string(),
      text: z.string(),
      facts: z.record(z.string(), maybe(fact)).meta({ title: 'Facts' }),
      channel: maybe(channel),
      count: maybe(z.number()).optional(),
      channels: maybe(z.array(channel)).optional()
    })
    .meta({ title: 'AlarmEvent' })
])

export const errorRecord: z.ZodType<ErrorRecord> = z.object({
  code: z.string(),
  message: z.string(),
  facts: z.record(z.string(), fact)
})

/* Help for zod's optional fields under `exactOptionalPropertyTypes`. */

/** A copy without the keys whose value is undefined. */
export function withoutUndefined<T extends object>(
  fields: T
): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>
  }
}
