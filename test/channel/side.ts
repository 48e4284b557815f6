/** One side of a channel: the state machine, and all that its engine would be to it. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { script as scripts, Transaction } from 'bitcoinjs-lib'
import type { Message, Payment } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import type { FundingOutput } from '../../src/bitcoin/template.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { Effect, PaymentLogEntry, Transition } from '../../src/channel/effects.js'
import type { Env } from '../../src/channel/env.js'
import type { ChannelEvent } from '../../src/channel/events.js'
import { defaultPolicy, type Policy } from '../../src/channel/policy.js'
import type { Channel, ClientChannel, ServerChannel } from '../../src/channel/state.js'
import { type ChannelInfo, summarise } from '../../src/channel/summary.js'
import { transition } from '../../src/channel/transition.js'
import { grantDue } from '../../src/channel/turns.js'
import { createRegistry } from '../../src/engine/registry.js'
import { decodeRecord, encodeRecord } from '../../src/types/records.js'
import { feeRate } from '../../src/types/units.js'
import { loadEcdsa } from '../../src/wallet/signer.js'
import type { JudgedChain } from './judged-chain.js'

/*
 * Key pairs with fixed secrets, and a check of signed spends that shares no code with src/bitcoin.
 */

export const ecdsa = loadEcdsa()

export interface KeyPair {
  readonly publicKey: Uint8Array
  readonly sign: (digest: Uint8Array) => Uint8Array
}

/** The key pair whose secret is the SHA256 of a name. */
export function keyPair(name: string): KeyPair {
  const secret = Uint8Array.from(createHash('sha256').update(name).digest())
  return { publicKey: ecdsa.publicKeyOf(secret), sign: (digest) => ecdsa.sign(secret, digest) }
}

/** A P2WPKH script of a name. */
export function scriptOf(name: string): Uint8Array {
  return Uint8Array.from([0, 20, ...createHash('sha256').update(name).digest().subarray(0, 20)])
}

/**
 * What is wrong with a transaction as a spend of a funding output; undefined when both signatures
 * are valid and it creates no money out of this input. The digests come from bitcoinjs-lib.
 */
export function faultOfSpend(raw: Uint8Array, funding: FundingOutput): string | undefined {
  const tx = Transaction.fromBuffer(Uint8Array.from(raw))
  const input = tx.ins[0]
  assert.ok(input)
  const [empty, first, second, witnessScript] = input.witness
  if (
    input.witness.length !== 4 ||
    empty?.length !== 0 ||
    first === undefined ||
    second === undefined ||
    witnessScript === undefined
  ) {
    return 'the witness has another form'
  }
  const expected = scripts.compile([0x52, funding.clientKey, funding.serverKey, 0x52, 0xae])
  if (Buffer.compare(Buffer.from(expected), Buffer.from(witnessScript)) !== 0) {
    return 'the witness script is another one'
  }
  const signed: Array<readonly [string, Uint8Array, Uint8Array]> = [
    ['client', first, funding.clientKey],
    ['server', second, funding.serverKey]
  ]
  for (const [side, der, key] of signed) {
    const { signature, hashType } = scripts.signature.decode(der)
    const digest = tx.hashForWitnessV0(0, witnessScript, funding.value, hashType)
    if (!ecdsa.verify(key, digest, signature)) return `the signature of the ${side} is wrong`
  }
  const paid = tx.outs.reduce((sum, { value }) => sum + value, 0n)
  // Coins of a wallet beside it, as in a top-up, are for the chain to judge.
  return tx.ins.length === 1 && paid > funding.value
    ? `it pays ${paid} sat out of ${funding.value} sat`
    : undefined
}

/** What a side asks of the world around it. */
export interface Surroundings {
  send: (message: Message) => void
  hangUp: () => void
  buildFunding: (effect: Extract<Effect, { type: 'build-funding' }>) => void
  /** To another channel of the same side. */
  tell: (effect: Extract<Effect, { type: 'tell' }>) => void
  /** After a broadcast: the others may see it. */
  chainChanged: () => void
}

/** The established channel of each role. */
export interface EstablishedBy {
  readonly client: ClientChannel
  readonly server: ServerChannel
}

/** A client's channel, but for its role: what only a client reads is still there. */
export function asServer(channel: ClientChannel): ServerChannel {
  return { ...channel, role: 'server', fundingAccepted: channel.fundingAcknowledged }
}

export class Side<R extends Role = Role> {
  readonly channelKey: KeyPair
  readonly payoutKey: KeyPair
  readonly closeScript: Uint8Array
  readonly registry = createRegistry()
  /** Everything that was to be done, in order. */
  effects: Effect[] = []
  log: PaymentLogEntry[] = []
  policy: Policy = defaultPolicy('regtest')
  feeRate = feeRate(2000n)
  relay = { minimum: feeRate(1000n), incremental: feeRate(1000n) }
  /** The Electrum server does not answer: no tip, no history. */
  blind = false
  /** No server tells what happens to the funding output. */
  unwatched = false
  /**
   * From T2's signature on a server watches for T1; in most stories the client's hand is faster.
   */
  seesFunding = false
  /** Hands the turn over as soon as it can. */
  grants = true
  /** The process is gone. */
  dead = false
  /** After the next commit the process dies, before any effect. */
  crashNext = false
  #channel: Channel | undefined
  readonly #waiting: ChannelEvent[] = []
  #busy = false
  #seen = ''
  #tip: number
  readonly #around: Surroundings

  constructor(
    readonly role: R,
    readonly chain: JudgedChain,
    around: Surroundings,
    name: string
  ) {
    this.#around = around
    this.channelKey = keyPair(`${name} channel`)
    this.payoutKey = keyPair(`${name} payout`)
    this.closeScript = scriptOf(`${name} close`)
    this.#tip = chain.height
  }

  get channel(): Channel {
    assert.ok(this.#channel, `the ${this.role} has no channel`)
    return this.#channel
  }

  set channel(channel: Channel) {
    const known = this.#channel?.stage === channel.stage
    this.#channel = channel
    if (!known) this.registry.learn(channel, this.channelKey.publicKey)
  }

  get has(): boolean {
    return this.#channel !== undefined
  }

  get established(): EstablishedBy[R] {
    const { channel } = this
    assert.ok(channel.stage === 'established', `the ${this.role} is at ${channel.stage}`)
    return channel as EstablishedBy[R]
  }

  get info(): ChannelInfo {
    return summarise(this.channel, this.env())
  }

  env(changes: Partial<Env> = {}): Env {
    return {
      policy: this.policy,
      height: this.blind ? undefined : this.chain.height,
      isWatched: !this.unwatched,
      feeRate: this.feeRate,
      nextBlockRate: this.feeRate,
      relay: this.relay,
      feeHistory: [],
      now: 1_700_000_000_000,
      sign: this.channelKey.sign,
      verify: ecdsa.verify,
      isPublicKey: ecdsa.isPublicKey,
      isKnownKey: this.registry.isKnownKey,
      isKnownOutPoint: this.registry.isKnownOutPoint,
      ...changes
    }
  }

  /** What would come of an event; nothing happens. */
  attempt(event: ChannelEvent, changes: Partial<Env> = {}): Transition {
    return transition(this.channel, event, this.env(changes))
  }

  /** An event: the new state is committed, then the effects are performed. Returns the effects. */
  post(event: ChannelEvent): Effect[] {
    const from = this.effects.length
    this.#waiting.push(event)
    this.#drain()
    return this.effects.slice(from)
  }

  /** The first transition of a channel. */
  begin(first: Transition): void {
    this.#apply(first)
    this.#drain()
  }

  /** The process dies and starts again: only what was committed is left. */
  restart(): void {
    this.dead = false
    this.#waiting.length = 0
    this.#channel = decodeRecord<Channel>('channel', encodeRecord('channel', this.channel))
    this.#seen = ''
    this.post({ type: 'disconnected', reason: 'this node was restarted' })
  }

  /**
   * What the chain watcher brings: a history when it is another one, then the tip when it is
   * another one.
   */
  lookAtChain(): void {
    if (
      this.dead ||
      this.blind ||
      !this.has ||
      (this.channel.stage !== 'established' &&
        !(this.seesFunding && this.channel.stage === 'refund-signed'))
    ) {
      return
    }
    const history = this.chain.history(this.channel.outPoint)
    const shown = JSON.stringify([
      history.funding !== undefined,
      history.funding?.height,
      ...history.spends.flatMap(({ transaction: { txid }, height, shownBy }) => [
        txid,
        height,
        shownBy
      ])
    ])
    if (shown !== this.#seen) {
      this.#seen = shown
      this.post({ type: 'history', history })
    }
    if (this.chain.height !== this.#tip) {
      this.#tip = this.chain.height
      this.post({ type: 'tip' })
    }
  }

  #drain(): void {
    if (this.#busy) return
    this.#busy = true
    try {
      for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift()) {
        if (!this.dead) this.#apply(transition(this.channel, event, this.env()))
        // As an engine without payments that wait does.
        if (
          !this.dead &&
          this.#waiting.length === 0 &&
          this.grants &&
          grantDue(this.channel, false)
        ) {
          this.#waiting.push({ type: 'grant-turn' })
        }
      }
    } finally {
      this.#busy = false
    }
  }

  #apply({ state, log, effects }: Transition): void {
    this.channel = state
    this.log.push(...log)
    if (this.crashNext) {
      this.crashNext = false
      this.dead = true
      return
    }
    for (const effect of effects) {
      this.effects.push(effect)
      this.#perform(effect)
    }
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case 'send':
        return this.#around.send(effect.message)
      case 'send-with-payments': {
        const payments = this.log
          .filter(({ sequence }) => sequence > effect.after && sequence <= effect.message.sequence)
          .flatMap(({ payments }) => payments)
        return this.#around.send({ ...effect.message, payments, paymentsAfter: effect.after })
      }
      case 'hang-up':
        return this.#around.hangUp()
      case 'tell':
        return this.#around.tell(effect)
      case 'build-funding':
        return this.#around.buildFunding(effect)
      case 'broadcast': {
        const outcome = this.blind ? { refused: 'unavailable' } : this.chain.broadcast(effect.raw)
        this.#waiting.push(
          'txid' in outcome
            ? {
                type: 'broadcast-done',
                purpose: effect.purpose,
                txid: outcome.txid,
                isRefused: false,
                refusedForFee: false
              }
            : {
                type: 'broadcast-failed',
                purpose: effect.purpose,
                txid: parseTransaction(effect.raw).txid,
                kind: outcome.refused,
                reason: outcome.refused
              }
        )
        this.#around.chainChanged()
        break
      }
      default: // told to people, callers and the wallet: the tests look at `effects`
    }
  }
}

/** The payments of all effects of one kind. */
export function paymentsOf(
  effects: readonly Effect[],
  type: 'payments-acknowledged' | 'payments-received' | 'payments-unknown'
): Payment[] {
  return effects.flatMap((effect) => (effect.type === type ? effect.payments : []))
}
