/**
 * The transactions that spend the funding output: those of the two nodes, and whatever the
 * adversary can make of the states that it holds. What a transaction really pays, and which
 * payments it includes, is worked out here without a line of src/channel: the checker's own truth.
 */
import { Transaction } from 'bitcoinjs-lib'
import { makeTransaction } from '../../src/bitcoin/transaction.js'
import { SIGHASH, fromDer, toDer } from '../../src/bitcoin/ecdsa.js'
import { digestOfAll, fundingWitness, SEQUENCE } from '../../src/bitcoin/funding-spend.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'
import { payoutWitnessScript, p2wsh } from '../../src/bitcoin/scripts.js'
import { payerOutput } from '../../src/bitcoin/template.js'
import { lockOf, payeeOf, payerOf, type StateRef } from '../../src/channel/schedule.js'
import { stateTemplate } from '../../src/channel/signing.js'
import type { Channel, Established } from '../../src/channel/state.js'
import type { Terms } from '../../src/channel/terms.js'
import { sameBytes, toHex, txidFromHash, type Txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import type { Side } from '../channel/side.js'
import { Interned } from './world.js'

/** A state of which one side has the other's signature. */
export interface SignedState {
  readonly turn: StateRef
  readonly sequence: number
  readonly payerBalance: bigint
  readonly signature: Uint8Array
}

/**
 * What stands beside the channel's input: an output of an unconfirmed transaction that pays too
 * little for a block, or of one that does not exist.
 */
export type Extra = 'none' | 'parent' | 'phantom'

/**
 * How the adversary completes a state. `gift`: 330 sat to the payer's payout script, where the
 * payer has signed no output.
 */
export interface Completion {
  readonly fee: 'low' | 'market' | 'huge'
  readonly extra: Extra
  readonly gift: boolean
}

export interface Spend {
  readonly raw: Uint8Array
  readonly txid: Txid
  readonly kind: 'state' | 'close' | 'renewal'
  /** Undefined for a close, also one that renews. */
  readonly turn: StateRef | undefined
  /** The last update that it includes; -1 for a close. */
  readonly sequence: number
  readonly lock: number
  readonly fee: bigint
  readonly vsize: number
  readonly extra: Extra
  readonly gives: Readonly<Record<Role, bigint>>
}

export const CAPACITY = 1_000_000n
const EXTRA_VALUE = 100_000n
const EXTRA_HASH: Readonly<Record<Exclude<Extra, 'none'>, number>> = { parent: 0x77, phantom: 0x99 }
/** The dust limit of a payout script. */
const GIFT = 330n
/** Satoshis; the market takes 2 sat/vB of some 181 vB. */
const FEES = { low: 200n, market: 600n }

export class Transactions {
  readonly #spends = new Interned<Spend>()
  readonly #states = new Interned<SignedState>()
  readonly #bySignature = new Map<string, SignedState>()
  readonly #completed = new Map<string, number>()

  /** What T1 of a renewal gives each side, by the funding script of the new channel. */
  renewal:
    { readonly script: Uint8Array; readonly gives: Readonly<Record<Role, bigint>> } | undefined
  readonly #channel: Pick<Established, 'terms' | 'outPoint' | 'ledger'>
  readonly #sides: Readonly<Record<Role, Side>>

  /** `channel`: of either side, at the beginning. */
  constructor(
    channel: Pick<Established, 'terms' | 'outPoint' | 'ledger'>,
    sides: Readonly<Record<Role, Side>>
  ) {
    this.#channel = channel
    this.#sides = sides
  }

  spend(number: number): Spend {
    return this.#spends.at(number)
  }
  state(number: number): SignedState {
    return this.#states.at(number)
  }
  /** All that were ever signed. */
  get states(): SignedState[] {
    return this.#states.all
  }

  /** A signature that one side has given the other. */
  learn(state: SignedState): number {
    this.#bySignature.set(toHex(state.signature), state)
    return this.#states.numberOf(state, `${state.turn} ${state.sequence} ${state.payerBalance}`)
  }

  /** The number of a transaction that a node, or the adversary, sends. */
  numberOf(raw: Uint8Array): number {
    return this.#spends.numberOf(this.#read(raw), toHex(raw))
  }

  /** A state as the adversary completes it; undefined when that makes no sense. */
  complete(number: number, how: Completion): number | undefined {
    const key = `${number} ${how.fee} ${how.extra} ${how.gift}`
    const done = this.#completed.get(key)
    if (done !== undefined) return done < 0 ? undefined : done
    const raw = this.#build(this.state(number), how)
    const spend = raw === undefined ? -1 : this.numberOf(raw)
    this.#completed.set(key, spend)
    return raw === undefined ? undefined : spend
  }

  #build(
    { turn, payerBalance, signature }: SignedState,
    { fee, extra, gift }: Completion
  ): Uint8Array | undefined {
    const template = stateTemplate(this.#channel, satoshi(payerBalance), turn)
    const own = payerOutput(template)
    const { closeScript, channelKey } = this.#sides[payeeOf(turn)]
    const share = this.#channel.terms.capacity - (own?.value ?? 0n)
    const pays = fee === 'huge' ? share - 1_000n : FEES[fee]
    const value = share + (extra === 'parent' ? EXTRA_VALUE : 0n) - pays - (gift ? GIFT : 0n)
    // A payer that has signed an output of its own has signed where it stands; and a bluff takes a
    // share.
    if ((gift && own !== undefined) || value < 600n || (fee === 'huge' && share < 20_000n)) {
      return undefined
    }
    const outputs = [
      ...(own === undefined ? [] : [own]),
      ...(gift ? [{ script: this.#payoutScript(payerOf(turn)), value: satoshi(GIFT) }] : []),
      { script: closeScript, value: satoshi(value) }
    ]
    const { funding, version, lock } = template
    const more =
      extra === 'none'
        ? []
        : [{ txid: txidFromHash(new Uint8Array(32).fill(EXTRA_HASH[extra])), vout: 0 }]
    const tx = makeTransaction({
      version,
      lockTime: lock,
      inputs: [funding.outPoint, ...more].map((outPoint) => ({ outPoint, sequence: SEQUENCE })),
      outputs
    })
    const payers = toDer(
      signature,
      (own === undefined ? SIGHASH.NONE : SIGHASH.SINGLE) | SIGHASH.ANYONECANPAY
    )
    const payees = toDer(channelKey.sign(digestOfAll(tx, funding)), SIGHASH.ALL)
    const witness =
      payerOf(turn) === 'client'
        ? fundingWitness(funding, payers, payees)
        : fundingWitness(funding, payees, payers)
    const coin = [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)]
    return tx.withWitnesses([witness, ...more.map(() => coin)]).raw
  }

  #payoutScript(role: Role): Uint8Array {
    return p2wsh(payoutWitnessScript(this.#sides[role].payoutKey.publicKey))
  }

  #read(raw: Uint8Array): Spend {
    const tx = Transaction.fromBuffer(Uint8Array.from(raw))
    const extra: Extra =
      tx.ins.length === 1 ? 'none' : tx.ins[1]?.hash[0] === EXTRA_HASH.parent ? 'parent' : 'phantom'
    const to = (role: Role): bigint =>
      tx.outs
        .filter(
          ({ script }) =>
            sameBytes(script, this.#sides[role].closeScript) ||
            sameBytes(script, this.#payoutScript(role))
        )
        .reduce((sum, { value }) => sum + value, 0n)
    const paid = tx.outs.reduce((sum, { value }) => sum + value, 0n)
    const fee = this.#channel.terms.capacity + (extra === 'none' ? 0n : EXTRA_VALUE) - paid
    const common = {
      raw,
      txid: txidFromHash(tx.getHash()),
      fee,
      vsize: tx.virtualSize(),
      lock: tx.locktime,
      extra,
      gives: { client: to('client'), server: to('server') }
    }
    const [, client, server] = tx.ins[0]?.witness ?? []
    if (client === undefined || server === undefined) {
      throw new Error('a spend without two signatures')
    }
    for (const role of ['client', 'server'] as const) {
      const { signature, sighashType } = fromDer(role === 'client' ? client : server)
      if (sighashType === SIGHASH.ALL) continue
      const state = this.#bySignature.get(toHex(signature))
      if (state === undefined || payerOf(state.turn) !== role) {
        throw new Error('a signature that nobody has made')
      }
      if (lockOf(this.#channel.terms, state.turn) !== tx.locktime) {
        throw new Error('a state with another lock')
      }
      return { ...common, kind: 'state', turn: state.turn, sequence: state.sequence }
    }
    const { renewal } = this
    if (renewal !== undefined && tx.outs.some(({ script }) => sameBytes(script, renewal.script))) {
      return { ...common, kind: 'renewal', turn: undefined, sequence: -1, gives: renewal.gives }
    }
    return { ...common, kind: 'close', turn: undefined, sequence: -1 }
  }
}

/** What a side could publish as its channel stands: T2 as well. */
export function statesHeldBy(channel: Channel): SignedState[] {
  switch (channel.stage) {
    case 'established': {
      const {
        ledger: { turn, held },
        ended,
        role,
        terms
      } = channel
      const present = held === undefined ? [] : [{ ...held, turn }]
      const states = [...ended, ...present].filter(
        (state) => payerOf(state.turn) === otherRole(role)
      )
      return [
        ...states.flatMap(signed),
        ...(channel.role === 'client' ? refundOf(terms, channel.refundSignature) : [])
      ]
    }
    case 'refund-requested':
      return refundOf(channel.terms, channel.secured?.refundSignature)
    case 'refund-signed':
      return channel.initial === undefined ? [] : signed({ ...channel.initial, turn: 0 })
    default:
      return []
  }
}

function signed({
  turn,
  sequence,
  payerBalance,
  signature
}: Omit<SignedState, 'signature'> & { readonly signature: Uint8Array | undefined }): SignedState[] {
  return signature === undefined ? [] : [{ turn, sequence, payerBalance, signature }]
}

function refundOf({ serverBalance }: Terms, signature: Uint8Array | undefined): SignedState[] {
  return signed({ turn: 'refund', sequence: -1, payerBalance: serverBalance, signature })
}
