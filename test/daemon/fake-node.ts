/**
 * A node that remembers what it was asked and answers from a script. No chain, no peers, no disk.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { createConnection } from 'node:net'
import type { Outline } from '../../src/channel/summary.js'
import { defaultPolicy } from '../../src/channel/policy.js'
import { type ApiClient, connectApi } from '../../src/daemon/client.js'
import { type ApiServer, serveApi } from '../../src/daemon/server.js'
import { type CallOf, type NodeVerb, VERBS } from '../../src/daemon/verbs.js'
import type {
  Balance,
  BumpResult,
  ChannelInfo,
  CoinInfo,
  Fees,
  LocalNode,
  NodeApi,
  NodeEvent,
  NumberedNodeEvent,
  NodeInfo,
  PaymentInfo,
  PayResult,
  PeerInfo,
  ReceiptInfo,
  RecoverResult,
  RequestInfo,
  RequestTerms,
  SendResult,
  SettleAllResult,
  WalletTransaction,
  WebhookInfo
} from '../../src/node/api.js'
import { randomBytes } from 'node:crypto'
import { Access } from '../../src/node/access.js'
import { KeptAnswers } from '../../src/node/kept-answers.js'
import type { Gate } from '../../src/node/running.js'
import { openSimStore } from '../../src/testing/disk.js'
import { untilHeight } from '../../src/node/waiting.js'
import { channelId, txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'

export const PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
export const CHANNEL = channelId('1a2b3c4d'.repeat(8))
export const FUNDING = txid('f0'.repeat(32))

export const info: NodeInfo = {
  version: '0.1.0',
  network: 'regtest',
  peerId: PEER,
  multiaddrs: [`/ip4/127.0.0.1/tcp/4001/p2p/${PEER}`],
  dataDir: '/home/alice/.paychan',
  chain: {
    status: 'synced',
    server: 'tcp://127.0.0.1:50001',
    height: blockHeight(120),
    hash: '00'.repeat(32),
    lastError: undefined,
    servers: []
  },
  channels: { open: 1, total: 2, unwatched: 0 },
  policy: defaultPolicy('regtest'),
  leastFirstPayment: satoshi(450n),
  ecdsa: 'secp256k1'
}

export const balance: Balance = {
  confirmed: satoshi(1_000_000n),
  pending: satoshi(0n),
  reserved: satoshi(70_000n),
  locked: satoshi(5_000n),
  inChannels: satoshi(250_000n),
  unwatched: satoshi(0n),
  unswept: satoshi(330n),
  total: satoshi(1_250_330n)
}

export const peer: PeerInfo = { peerId: PEER, connected: true, multiaddrs: [], paychan: undefined }

export const channel: ChannelInfo = {
  id: CHANNEL,
  peerId: PEER,
  role: 'client',
  status: 'open',
  reason: undefined,
  capacity: satoshi(1_000_000n),
  ourBalance: satoshi(750_000n),
  theirBalance: satoshi(250_000n),
  spendable: satoshi(749_000n),
  mode: 'one-way',
  receivable: satoshi(0n),
  turns: undefined,
  inFlight: satoshi(0n),
  atRisk: satoshi(0n),
  stake: satoshi(0n),
  alone: undefined,
  risk: undefined,
  funding: { txid: FUNDING, vout: 1 },
  outside: undefined,
  confirmations: 3,
  watched: true,
  fundingSeen: true,
  fundingAgreed: true,
  minDepth: 1,
  lastPaymentHeight: blockHeight(1_000),
  settleHeight: blockHeight(1_012),
  refundHeight: blockHeight(1_048),
  limits: {
    minFirstPayment: satoshi(511n),
    maxStake: satoshi(999_000n),
    minTurnAmount: satoshi(0n),
    maxInFlightUpdates: 16,
    maxInFlightValue: satoshi(1_300_000n),
    maxRisk: 100
  },
  renews: undefined,
  renewedAs: undefined,
  renewFor: undefined,
  payments: { sent: 12, received: 0 },
  spend: undefined
}

export const recovered: RecoverResult = {
  peerId: PEER,
  recovered: [channel],
  known: 1,
  refused: [
    {
      channel: CHANNEL,
      code: 'ERR_BAD_SIGNATURE',
      reason: "The signature of state 3 is not the payer's."
    }
  ]
}

export const payment: PaymentInfo = {
  id: 'ab'.repeat(16),
  channel: CHANNEL,
  peerId: PEER,
  direction: 'sent',
  amount: satoshi(1_000n),
  memo: 'coffee',
  status: 'acknowledged',
  time: 1_800_000_000_000
}

export const transaction: WalletTransaction = {
  txid: FUNDING,
  kind: 'funding',
  amount: -1_000_153n,
  fee: satoshi(153n),
  height: blockHeight(118),
  confirmations: 3,
  status: 'confirmed',
  label: 'to bob'
}

export const sent: SendResult = {
  txid: FUNDING,
  to: 'bcrt1qaddress',
  amount: satoshi(30_000n),
  fee: satoshi(141n),
  satPerVByte: 1,
  vsize: 141,
  change: satoshi(69_859n),
  message: undefined,
  broadcast: true
}

export const bumped: BumpResult = {
  kind: 'replacement',
  txid: txid('b0'.repeat(32)),
  of: FUNDING,
  fee: satoshi(705n),
  satPerVByte: 5,
  vsize: 141,
  broadcast: true
}

const fees: Fees = {
  leastSatPerVByte: 1,
  estimates: [
    { blocks: 1, satPerVByte: 12.5 },
    { blocks: 144, satPerVByte: 1 }
  ]
}

export const coin: CoinInfo = {
  outPoint: `${FUNDING}:0`,
  amount: satoshi(100_000n),
  address: 'bcrt1qaddress',
  height: blockHeight(118),
  confirmations: 3,
  label: 'salary',
  state: 'free',
  locked: false,
  channel: undefined,
  spentBy: undefined
}

/** What `pay` answers when one channel was enough. */
export const paid: PayResult = {
  ...payment,
  requestId: undefined,
  parts: [payment],
  already: false
}

export const requested: RequestInfo = {
  id: '1f2e3d4c5b6a7988',
  text: 'paychan1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0jq',
  uri: 'bitcoin:?paychan=paychan1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0jq',
  state: 'open',
  amount: satoshi(3_000n),
  memo: 'two coffees',
  made: 1_800_000_000_000,
  expires: 1_800_000_900_000,
  reusable: false,
  received: satoshi(0n),
  payments: 0,
  paidBy: undefined,
  paidAt: undefined,
  leastFirstPayment: satoshi(500n)
}

export const terms: RequestTerms = {
  id: requested.id,
  network: 'regtest',
  payee: PEER,
  multiaddrs: info.multiaddrs,
  amount: requested.amount,
  memo: requested.memo,
  made: requested.made,
  expires: requested.expires,
  reusable: false,
  leastFirstPayment: satoshi(500n)
}

export const receipt: ReceiptInfo = {
  text: 'paychanreceipt1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0jq',
  network: 'regtest',
  request: requested.id,
  nonce: undefined,
  payee: PEER,
  payer: PEER,
  amount: satoshi(3_000n),
  memo: requested.memo,
  paid: 1_800_000_100_000
}

export const webhook: WebhookInfo = {
  id: '5f0c9a135f0c9a13',
  url: 'https://shop.example/paid',
  events: ['payment', 'request'],
  status: 'failing',
  delivered: 17,
  failures: 2,
  nextTry: 1_800_000_060_000,
  lastStatus: 503,
  lastProblem: undefined,
  made: 1_800_000_000_000
}

interface Call {
  readonly verb: string
  readonly args: readonly unknown[]
}

/**
 * The calls of the fake by the names of their verbs, with what they answer unless told otherwise.
 */
/** An alarm with this code, about nothing. */
export const alarmed = (code: string, text = 'Something is wrong.'): AlarmOfNode => ({
  type: 'alarm',
  code,
  text,
  facts: {},
  channel: undefined
})

type AlarmOfNode = Extract<NodeEvent, { type: 'alarm' }>

type Answers = { readonly [Name in NodeVerb]: CallOf<Name> }

export class FakeNode implements LocalNode {
  readonly #store = openSimStore()
  readonly #gate: Gate = {
    access: new Access(this.#store, Date, { bytes: (length) => randomBytes(length) }),
    answers: new KeptAnswers(this.#store, Date),
    outlines: () => this.outlines,
    chainStatus: () => this.chainStatus
  }
  chainStatus: ReturnType<Gate['chainStatus']> = 'synced'
  outlines: Outline[] = [{ ...channel, stake: satoshi(0n), deadline: undefined }]
  readonly calls: Call[] = []
  /** Overrides for single calls: `node.answers.pay = async () => { throw ... }`. */
  answers: { -readonly [Name in NodeVerb]?: Answers[Name] } = {}
  /** That of the newest `open` or `renew`. */
  signal: AbortSignal | undefined
  unsettled: SettleAllResult['failed'] = []
  readonly #listeners = new Set<(event: NodeEvent) => void>()

  readonly usual: Answers = {
    info: async () => info,
    address: async () => 'bcrt1qaddress',
    balance: async () => balance,
    send: async ({ dryRun = false }) => ({ ...sent, txid: dryRun ? undefined : sent.txid }),
    bumpFee: async () => bumped,
    fees: async () => fees,
    coins: async () => [coin],
    lockCoins: async () => {},
    unlockCoins: async () => {},
    transactions: async () => [transaction],
    label: async () => {},
    recover: async () => recovered,
    connect: async () => peer,
    peers: async () => [peer],
    open: async () => channel,
    fundingPsbt: async () => ({ channel, warnings: [] }),
    renew: async () => channel,
    pay: async ({ amount, memo = '', id }) => {
      const part = { ...payment, amount, memo }
      return { ...part, requestId: id, parts: [part], already: false }
    },
    channels: async () => [channel],
    payments: async () => [payment],
    makeRequest: async () => requested,
    requests: async () => [requested],
    readRequest: async () => terms,
    payRequest: async ({ amount = satoshi(3_000n), id }) => {
      const part = { ...payment, amount, memo: terms.memo }
      return {
        ...part,
        requestId: id,
        parts: [part],
        already: false,
        request: terms.id,
        receipt: receipt.text,
        receiptProblem: undefined
      }
    },
    receipt: async () => receipt,
    alias: async (_peer, name) => ({ name, peerId: PEER }),
    unalias: async () => {},
    aliases: async () => [{ name: 'bakery', peerId: PEER }],
    makeToken: async (options) => await this.#gate.access.make(options),
    tokens: async () => await this.#gate.access.list(),
    revokeToken: async (id) => {
      await this.#gate.access.revoke(id)
    },
    addWebhook: async ({ url, events }) => ({
      ...{ ...webhook, url, events, status: 'active', failures: 0 },
      ...{ nextTry: undefined, lastStatus: undefined, secret: 'whsec_c2VjcmV0' }
    }),
    webhooks: async () => [webhook],
    removeWebhook: async () => {},
    replayWebhook: async (_id, from) => ({ ...webhook, delivered: from - 1 }),
    settleAll: async () => ({
      settled: [{ channel: CHANNEL, kind: 'settlement', txid: FUNDING }],
      failed: this.unsettled,
      leftOut: []
    }),
    close: async () => ({ channel: CHANNEL, kind: 'close', txid: FUNDING }),
    payment: async () => ({ ...payment, name: undefined, parts: [payment] }),
    backup: async ({ file }) => ({
      ...{ file, id: '0b'.repeat(16), madeAt: 1_700_000_000_000, network: 'regtest' },
      ...{ peerId: PEER, channels: 2, records: 40 }
    }),
    stop: async () => {}
  }

  readonly wallet: NodeApi['wallet'] = {
    address: this.#call('address'),
    balance: this.#call('balance'),
    send: this.#call('send'),
    bumpFee: this.#call('bumpFee'),
    coins: this.#call('coins'),
    lockCoins: this.#call('lockCoins'),
    unlockCoins: this.#call('unlockCoins'),
    transactions: this.#call('transactions'),
    label: this.#call('label')
  }

  readonly channels: NodeApi['channels'] = {
    list: this.#call('channels'),
    open: this.#call('open'),
    fundingPsbt: this.#call('fundingPsbt'),
    renew: this.#call('renew'),
    close: this.#call('close'),
    settleAll: this.#call('settleAll'),
    recover: this.#call('recover')
  }

  readonly payments: NodeApi['payments'] = {
    list: this.#call('payments'),
    get: this.#call('payment')
  }
  readonly requests: NodeApi['requests'] = {
    make: this.#call('makeRequest'),
    list: this.#call('requests'),
    read: this.#call('readRequest'),
    pay: this.#call('payRequest'),
    receipt: this.#call('receipt')
  }

  readonly peers: NodeApi['peers'] = {
    list: this.#call('peers'),
    connect: this.#call('connect'),
    alias: this.#call('alias'),
    unalias: this.#call('unalias'),
    aliases: this.#call('aliases')
  }

  readonly chain: NodeApi['chain'] = {
    fees: this.#call('fees'),
    untilHeight: async (height) => {
      await untilHeight(this, height)
    }
  }

  readonly access: NodeApi['access'] = {
    make: this.#call('makeToken'),
    list: this.#call('tokens'),
    revoke: this.#call('revokeToken')
  }

  readonly webhooks: NodeApi['webhooks'] = {
    add: this.#call('addWebhook'),
    list: this.#call('webhooks'),
    remove: this.#call('removeWebhook'),
    replay: this.#call('replayWebhook')
  }

  readonly gate = (): Gate => this.#gate
  readonly caughtUp = async (): Promise<void> => {}

  readonly events: LocalNode['events'] = {
    after: (number, signal) => this.#after(number, signal),
    newest: () => this.kept.length,
    on: (listener) => {
      this.#listeners.add(listener)
      return () => {
        this.#listeners.delete(listener)
      }
    }
  }

  readonly info = this.#call('info')
  readonly pay = this.#call('pay')
  readonly backup = this.#call('backup')
  readonly stop = this.#call('stop')

  /** Events told so far that have a number: 1 is the first of `kept`. */
  readonly kept: NodeEvent[] = []

  async *#after(
    number = this.kept.length,
    signal = new AbortController().signal
  ): AsyncGenerator<NumberedNodeEvent> {
    for (let next = number; ; next++) {
      while (next >= this.kept.length) {
        if (isAborted(signal)) return
        await new Promise<void>((resolve) => {
          const stop = this.events.on(() => {
            stop()
            resolve()
          })
          signal.addEventListener('abort', () => {
            stop()
            resolve()
          })
        })
      }
      if (isAborted(signal)) return
      const event = this.kept[next]
      if (event !== undefined) yield { number: next + 1, isLast: true, event }
    }
  }

  /** How many follow the events. */
  followers(): number {
    return this.#listeners.size
  }

  emit(event: NodeEvent): void {
    if (['alarm', 'channel', 'payment', 'request'].includes(event.type)) this.kept.push(event)
    for (const listener of this.#listeners) listener(event)
  }

  /** Notes the call, without its signal, and answers it. */
  #call<Name extends NodeVerb>(verb: Name): Answers[Name] {
    const call = async (...args: unknown[]): Promise<unknown> => {
      const noted = args.map((arg) => this.#withoutSignal(arg))
      this.calls.push({ verb, args: noted })
      const answer = (this.answers[verb] ?? this.usual[verb]) as (
        ...args: unknown[]
      ) => Promise<unknown>
      return await answer(...noted)
    }
    return call as Answers[Name]
  }

  #withoutSignal(arg: unknown): unknown {
    if (typeof arg !== 'object' || arg === null || !('signal' in arg)) return arg
    const { signal, ...rest } = arg
    this.signal = signal as AbortSignal
    return rest
  }
}

function isAborted({ aborted }: AbortSignal): boolean {
  return aborted
}

/** The places of all calls of a node: `pay`, `wallet.send`. */
export function placesOf(node: NodeApi): string[] {
  return Object.entries(node as unknown as Record<string, object>)
    .flatMap(([name, part]) =>
      typeof part === 'function' ? [name] : Object.keys(part).map((call) => `${name}.${call}`)
    )
    .sort()
}

/** The places that the table of verbs knows, and the one that a client waits at by itself. */
export function servedPlaces(): string[] {
  return [...[...VERBS.values()].flatMap(({ call }) => call ?? []), 'chain.untilHeight']
}

/** The local API of a fake node, over a real socket in a directory of its own. */
export interface ApiFixture {
  readonly dir: string
  readonly socketPath: string
  readonly node: FakeNode
  readonly server: ApiServer
  readonly client: ApiClient
  readonly stop: () => Promise<void>
}

export async function startApi(): Promise<ApiFixture> {
  const dir = await mkdtemp(join(tmpdir(), 'paychan-api-'))
  const socketPath = join(dir, 'api.sock')
  const node = new FakeNode()
  const server = await serveApi(node, socketPath)
  const client = connectApi(socketPath)
  return {
    dir,
    socketPath,
    node,
    server,
    client,
    stop: async () => {
      client.disconnect()
      await server.close()
      await rm(dir, { recursive: true, force: true })
    }
  }
}

/** Talks to the local API without the client's good manners. */
interface RawAnswer {
  readonly status: number
  readonly body: {
    result?: unknown
    error?: { code: string; message: string; facts: Record<string, unknown> }
  }
}

/** One HTTP request with exactly this body. */
export async function rawRequest(
  socketPath: string,
  method: string,
  path: string,
  body: string | Uint8Array = ''
): Promise<RawAnswer> {
  const request = httpRequest({
    socketPath,
    agent: false,
    method,
    path,
    headers: { 'content-length': Buffer.byteLength(body) }
  })
  // A refused body may be cut off while it is sent; what counts is the answer.
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  request.end(body)
  const response = await answer
  const chunks: Uint8Array[] = []
  for await (const chunk of response as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return {
    status: response.statusCode ?? 0,
    body: JSON.parse(Buffer.concat(chunks).toString('utf8')) as RawAnswer['body']
  }
}

/** Writes bytes that need not be HTTP, and waits until the other side hangs up. */
export async function rawBytes(socketPath: string, bytes: string | Uint8Array): Promise<string> {
  const socket = createConnection(socketPath)
  await once(socket, 'connect')
  let answer = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    answer += text
  })
  socket.on('error', () => {}) // a reset is an answer too
  socket.write(bytes)
  await once(socket, 'close')
  return answer
}
