/**
 * A client, a server, a stream between them and a chain, all in one place and one step at a time:
 * nothing moves but what a test moves.
 */
import assert from 'node:assert/strict'
import { Transaction } from 'bitcoinjs-lib'
import {
  decode,
  encode,
  type Message,
  type OpenChannel,
  type Payment
} from '../../protocols/paychan/1.0/index.js'
import { fundingScript } from '../../src/bitcoin/funding.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { channelIdOf, p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import type { FundingOutput } from '../../src/bitcoin/template.js'
import type { Effect } from '../../src/channel/effects.js'
import type { ChannelEvent } from '../../src/channel/events.js'
import { buildRenewal } from '../../src/bitcoin/renewal.js'
import { checkRenewal, planRenewal, type RenewalPlan } from '../../src/channel/renewed.js'
import type { RenewalSource } from '../../src/channel/state.js'
import { offerChannel } from '../../src/channel/opening-client.js'
import { acceptChannel } from '../../src/channel/opening-server.js'
import type { Policy } from '../../src/channel/policy.js'
import { turnNeed } from '../../src/channel/turns.js'
import {
  hashFromTxid,
  sameBytes,
  txid,
  txidFromHash,
  type OutPoint
} from '../../src/types/bytes.js'
import { blockDelta, blockHeight, satoshi } from '../../src/types/units.js'
import { JudgedChain } from './judged-chain.js'
import { scriptOf, Side } from './side.js'

/** Satoshis unless said otherwise. */
export interface WorldOptions {
  readonly capacity?: bigint
  /** Refund height minus the height at the start, 500. */
  readonly blocks?: number
  /** Makes it a two-way channel. */
  readonly step?: number
  readonly policy?: Partial<Policy>
  /** Renews the channel of another world, which is open; `topUp` comes from the client's wallet. */
  readonly renews?: { readonly world: World; readonly topUp?: bigint }
  /** An outside wallet makes T1. */
  readonly outside?: true
}

const COIN = 10_000_000n
const FIRST_COIN: OutPoint = { txid: txid('c0'.repeat(32)), vout: 7 }

/** Where the coin of a top-up comes from, which the server is shown. */
const SECOND_ORIGIN = originOf(scriptOf('coin'))

export function originOf(script: Uint8Array): Transaction {
  const tx = new Transaction()
  tx.addInput(new Uint8Array(32).fill(0xee), 0)
  tx.addOutput(script, COIN)
  return tx
}
let payments = 0

/** A payment with an id of its own. */
export function payment(amount: bigint, memo = ''): Payment {
  const id = new Uint8Array(16)
  new DataView(id.buffer).setUint32(12, ++payments)
  return { id, amount, memo }
}

/** T1: one SegWit input, the funding output at `vout`, change beside it. */
export function buildT1(options: {
  script: Uint8Array
  amount: bigint
  coin: OutPoint
  vout?: 0 | 1
  witness?: Uint8Array[]
  scriptSig?: Uint8Array
  beside?: FundingOutput
}): Uint8Array {
  const {
    script,
    amount,
    coin,
    beside,
    vout = 0,
    witness = [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)]
  } = options
  const tx = new Transaction()
  tx.version = 3
  if (beside !== undefined) {
    tx.addInput(hashFromTxid(beside.outPoint.txid), beside.outPoint.vout, 0xfffffffd)
  }
  tx.addInput(hashFromTxid(coin.txid), coin.vout, 0xfffffffd, options.scriptSig)
  const outputs = [
    { script, value: amount },
    { script: scriptOf('change'), value: COIN + (beside?.value ?? 0n) - amount - 1000n }
  ]
  for (const output of vout === 0 ? outputs : outputs.reverse()) {
    tx.addOutput(output.script, output.value)
  }
  tx.setWitness(tx.ins.length - 1, witness)
  return tx.toBuffer()
}

export class World {
  readonly chain: JudgedChain
  /** The world of the channel that this one renews, and of the one that renews this one. */
  readonly old: World | undefined
  next: World | undefined
  readonly #plan: RenewalPlan | undefined
  readonly client: Side<'client'>
  readonly server: Side<'server'>
  readonly capacity: bigint
  readonly blocks: number
  readonly step: number | undefined
  readonly outside: true | undefined
  readonly coin: OutPoint
  /** What is on its way to each side; `end` is the end of the stream. */
  readonly queues: Record<Role, Array<Message | 'end'>> = { client: [], server: [] }
  /** Whether a stream is there, as each side sees it. */
  readonly linked: Record<Role, boolean> = { client: true, server: true }
  /** T1 is not built by itself. */
  holdFunding = false

  constructor({
    capacity = 100_000n,
    blocks = 200,
    step,
    policy = {},
    renews,
    outside
  }: WorldOptions = {}) {
    this.outside = outside
    this.old = renews?.world
    this.chain = this.old?.chain ?? new JudgedChain(blockHeight(500))
    if (this.old !== undefined) this.old.next = this
    this.#plan =
      this.old &&
      planRenewal(this.old.client.channel, satoshi(renews?.topUp ?? 0n), this.old.client.env())
    this.capacity = this.#plan?.capacity ?? capacity
    this.step = step
    this.blocks = blocks
    this.coin =
      this.old === undefined ? FIRST_COIN : { txid: txidFromHash(SECOND_ORIGIN.getHash()), vout: 0 }
    this.chain.addCoin(this.coin, COIN)
    this.client = this.#side('client')
    this.server = this.#side('server')
    for (const side of [this.client, this.server]) side.policy = { ...side.policy, ...policy }
  }

  #side<R extends Role>(role: R): Side<R> {
    const name = this.old === undefined ? role : `${role} of the renewal`
    return new Side(
      role,
      this.chain,
      {
        tell: ({ channel, event }) => {
          for (const world of [this.old, this.next]) {
            if (world?.[role].has === true && world[role].channel.id === channel) {
              world[role].post(event)
            }
          }
        },
        send: (message) => {
          this.#send(role, message)
        },
        hangUp: () => {
          this.#hangUp(role)
        },
        buildFunding: (effect) => {
          if (!this.holdFunding) this.build(effect.scriptPubKey, {}, effect.source)
        },
        chainChanged: () => {
          for (const world of [this.old, this, this.next]) world?.lookAtChain()
        }
      },
      name
    )
  }

  /** The funding output as both keys and the capacity say. */
  get funding(): FundingOutput {
    return {
      outPoint: this.client.established.outPoint,
      value: satoshi(this.capacity),
      clientKey: this.client.channelKey.publicKey,
      serverKey: this.server.channelKey.publicKey
    }
  }

  get fundingScript(): Uint8Array {
    return fundingScript(this.client.channelKey.publicKey, this.server.channelKey.publicKey)
  }

  // ---------------------------------------------------------------------------------- opening

  /** What is said about T1 and about renewals, when something is. */
  asked: Pick<Parameters<typeof offerChannel>[0], 'choice' | 'patience' | 'renewFor'> = {}

  /** Step 1: the client asks; the message waits for the server. */
  offer(): this {
    const { client, capacity, blocks, step } = this
    const ours = {
      channelKey: client.channelKey.publicKey,
      payoutKey: client.payoutKey.publicKey,
      closeScript: client.closeScript,
      derivation: Uint8Array.from([0, 0, 0, 1, 0, 0, 0, 2])
    }
    client.begin(
      offerChannel(
        {
          id: channelIdOf(ours.channelKey),
          peer: 'server',
          address: '/server',
          network: 'regtest',
          keys: { high: 1, low: 2 },
          ours,
          capacity: satoshi(capacity),
          blocks: blockDelta(blocks),
          step: step === undefined ? undefined : blockDelta(step),
          renewal: this.#plan,
          outside: this.outside,
          ...this.asked
        },
        client.env()
      )
    )
    return this
  }

  /** Step 1: the server answers an offer. */
  accept(offer: OpenChannel): void {
    const { server, old } = this
    checkRenewal(offer, old?.server.channel, server.env())
    const ours = {
      channelKey: server.channelKey.publicKey,
      payoutKey: server.payoutKey.publicKey,
      closeScript: server.closeScript,
      derivation: Uint8Array.from([0, 0, 0, 3, 0, 0, 0, 4])
    }
    server.begin(
      acceptChannel(
        {
          id: channelIdOf(offer.channelKey),
          peer: 'client',
          network: 'regtest',
          keys: { high: 3, low: 4 },
          ours
        },
        offer,
        server.env()
      )
    )
  }

  /** Step 2. */
  build(
    script: Uint8Array,
    options: Partial<Parameters<typeof buildT1>[0]> = {},
    source?: RenewalSource
  ): void {
    if (source !== undefined && !source.fromWallet) {
      this.client.post({
        type: 'funding-built',
        ...buildRenewal(source.old, script, satoshi(this.capacity), this.chain.height)
      })
      return
    }
    const raw = buildT1({
      script,
      amount: this.capacity,
      coin: this.coin,
      ...options,
      ...(source === undefined ? {} : { beside: source.old })
    })
    if (source !== undefined) {
      this.client.post({
        type: 'funding-built',
        raw,
        outPoint: { txid: txidFromHash(Transaction.fromBuffer(raw).getHash()), vout: 0 },
        fee: satoshi(1000n),
        previous: [SECOND_ORIGIN.toBuffer()]
      })
      return
    }
    this.client.post({
      type: 'funding-built',
      raw,
      outPoint: {
        txid: txidFromHash(Transaction.fromBuffer(raw).getHash()),
        vout: options.vout ?? 0
      },
      fee: satoshi(1000n)
    })
  }

  /**
   * Until the client, or the server, has reached a stage of the opening, with the answer to it
   * still on its way.
   */
  until(role: Role, stage: string): this {
    if (!this.client.has) this.offer()
    for (let i = 0; i < 20 && !(this[role].has && this[role].channel.stage === stage); i++) {
      this.deliver(this.queues.server.length > 0 ? 'server' : 'client')
    }
    assert.equal(this[role].channel.stage, stage)
    return this
  }

  /** All nine steps up to the first payment: both sides are open. */
  open(): this {
    if (!this.client.has) this.offer()
    this.run()
    this.chain.funding = this.funding
    for (let n = 0; n < this.client.established.terms.minDepth; n++) {
      this.mine()
      this.old?.lookAtChain()
    }
    assert.equal(this.client.info.status, 'open')
    assert.equal(this.server.info.status, 'open')
    return this
  }

  // ---------------------------------------------------------------------------------- payments

  /** The client signs payments under one signature; returns what came of it. */
  pay(...amounts: bigint[]): Effect[] {
    return this.client.post({ type: 'pay', payments: amounts.map((amount) => payment(amount)) })
  }

  /**
   * A side of a two-way channel pays, and takes the turn for it if it has to; everything arrives.
   */
  paidBy(role: Role, ...amounts: bigint[]): this {
    const queue = amounts.map((amount) => payment(amount))
    if (turnNeed(this[role].channel) === 'ask') {
      this[role].post({ type: 'ask-turn', payments: queue })
      this.run()
    }
    this[role].post({ type: 'pay', payments: queue })
    return this.run()
  }

  /** Pays, and lets everything arrive. */
  paid(...amounts: bigint[]): this {
    this.pay(...amounts)
    return this.run()
  }

  // ----------------------------------------------------------------------------------- streams

  /** The next message to a side arrives. */
  deliver(to: Role): void {
    const message = this.queues[to].shift()
    if (message !== undefined && !this[to].dead) this.#arrive(to, message)
  }

  /** Everything on its way to a side arrives; updates that wait together arrive together. */
  deliverAll(to: Role): void {
    const events: ChannelEvent[] = []
    for (const message of this.queues[to].splice(0)) {
      const last = events.at(-1)
      if (message === 'end' || message.type === 'Reestablish' || !this[to].has) {
        for (const event of events.splice(0)) this[to].post(event)
        this.#arrive(to, message)
      } else if (message.type === 'Update' && last?.type === 'updates') {
        events[events.length - 1] = { type: 'updates', updates: [...last.updates, message] }
      } else {
        events.push(
          message.type === 'Update'
            ? { type: 'updates', updates: [message] }
            : { type: 'message', message }
        )
      }
    }
    for (const event of events) if (this.linked[to]) this[to].post(event)
  }

  /** Messages go to and fro until none is left. */
  run(): this {
    for (let i = 0; this.queues.client.length + this.queues.server.length > 0; i++) {
      assert.ok(i < 1000, 'the two sides never stop talking')
      this.deliver('server')
      this.deliver('client')
    }
    return this
  }

  /** The stream breaks: what is on its way is lost. */
  disconnect(): this {
    for (const role of ['client', 'server'] as const) {
      this.queues[role].length = 0
      if (!this.linked[role]) continue
      this.linked[role] = false
      if (this[role].has) this[role].post({ type: 'disconnected', reason: 'the stream broke' })
    }
    return this
  }

  /** The client dials again. */
  connect(): this {
    if (this.linked.client || this.linked.server) this.disconnect()
    if (
      this.client.dead ||
      this.server.dead ||
      !this.client.has ||
      this.client.channel.stage !== 'established'
    ) {
      return this
    }
    this.linked.client = true
    this.client.post({ type: 'connected' })
    return this
  }

  #send(from: Role, message: Message): void {
    if (this.linked[from]) this.queues[otherRole(from)].push(decode(encode(message)))
  }

  #hangUp(from: Role): void {
    if (!this.linked[from]) return
    // What has arrived by now is handled first, on a stream that is over.
    for (const message of this.queues[from].splice(0)) {
      if (message !== 'end' && message.type !== 'Reestablish') this.#arrive(from, message)
    }
    this.linked[from] = false
    this.queues[otherRole(from)].push('end')
    this[from].post({ type: 'disconnected', reason: 'ended by this node' })
  }

  #arrive(to: Role, message: Message | 'end'): void {
    const side = this[to]
    if (message === 'end') {
      if (!this.linked[to]) return
      this.linked[to] = false
      this.queues[to].length = 0
      if (side.has) side.post({ type: 'disconnected', reason: '' })
      return
    }
    if (message.type === 'OpenChannel') return this.accept(message)
    if (message.type === 'Reestablish' && to === 'server' && !this.linked.server) {
      this.linked.server = true
    }
    if (this.linked[to]) {
      side.post(
        message.type === 'Update'
          ? { type: 'updates', updates: [message] }
          : { type: 'message', message }
      )
    }
  }

  // ------------------------------------------------------------------------------------- chain

  /** Blocks, one by one; both sides see each of them, and all messages arrive in between. */
  mine(blocks = 1, options: { quiet?: boolean } = {}): this {
    for (let i = 0; i < blocks; i++) {
      this.chain.mine()
      this.lookAtChain()
      if (options.quiet !== true) this.run()
    }
    return this
  }

  /** Blocks up to a height. */
  mineTo(height: number): this {
    return this.mine(height - this.chain.height)
  }

  lookAtChain(): void {
    this.client.lookAtChain()
    this.server.lookAtChain()
  }

  reorg(depth: number, lost: Parameters<JudgedChain['reorg']>[1] = []): this {
    this.chain.reorg(depth, lost)
    this.lookAtChain()
    return this
  }

  /** A process is gone for good. */
  kill(role: Role): this {
    this[role].dead = true
    this.linked[role] = false
    return this.disconnect()
  }

  /** A process dies and comes back; the streams are gone. */
  restart(role: Role): this {
    this.linked[role] = false
    this.disconnect()
    this[role].restart()
    this.lookAtChain()
    return this
  }

  /** What each side has of a confirmed spend, by the scripts that it pays; and the fee. */
  payouts(): { client: bigint; server: bigint; fee: bigint } {
    const spend = this.chain.spendOf(this.funding.outPoint)
    assert.ok(spend?.height !== undefined, 'no spend of the funding output is in a block')
    const { client, server } = this
    const of = (side: Side): bigint =>
      spend.parsed.outputs
        .filter(
          ({ script }) =>
            sameBytes(script, side.closeScript) ||
            sameBytes(script, p2wsh(payoutWitnessScript(side.payoutKey.publicKey)))
        )
        .reduce<bigint>((sum, { value }) => sum + value, 0n)
    return { client: of(client), server: of(server), fee: spend.fee }
  }
}
