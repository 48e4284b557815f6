/**
 * One state of everything: both sides, the streams, the chain, what servers show, and what the
 * adversary has in its hands. Never changed in place once it is reached; sides, messages and
 * transactions are numbers of values that are kept once (intern.ts).
 */
import type { Role } from '../../src/bitcoin/keys.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { Env } from '../../src/channel/env.js'
import type {
  BroadcastPurpose,
  ChannelEvent,
  FundingHistory,
  ShownTransaction
} from '../../src/channel/events.js'
import type { Txid } from '../../src/types/bytes.js'
import { blockHeight, feeRate } from '../../src/types/units.js'
import type { Side } from '../channel/side.js'
import type { Spend } from './transactions.js'

/** What of a kind may still happen: bounds make the number of states finite. */
export const BUDGETS = [
  'cuts',
  'crashes',
  'reorgs',
  'closes',
  'congestions',
  'lies',
  'sends',
  'pins',
  'directs',
  'copies',
  'restores',
  'lates'
] as const

export type Budget = (typeof BUDGETS)[number]

/**
 * How the lying server answers: as the honest one; by showing nothing; by refusing every broadcast,
 * for a made-up reason or for its fee; by taking every one.
 */
export type Manner = 'honest' | 'hides' | 'refuses' | 'asks for more' | 'takes all'

/** In no block, or none at all. */
export const NONE = -1

/** Of a T1 that is in no mempool either: a renewal that is not out. */
export const UNSEEN = -2

/** The end of a stream, among messages. */
export const END = -1

export interface World {
  /**
   * The number of each side's state; `NONE` once the adversary's node is stopped, and it acts by
   * hand.
   */
  side: Record<Role, number>
  /** Whether the process runs. */
  up: Record<Role, boolean>
  linked: Record<Role, boolean>
  /** Messages on their way to each side. */
  queue: Record<Role, readonly number[]>
  /** Payments of each side's plan that were asked for. */
  asked: Record<Role, number>
  /** Payments that each payer was told to be acknowledged: their numbers in its plan. */
  told: Record<Role, readonly number[]>
  height: number
  /** Of T1; `NONE` while it is in the mempool, `UNSEEN` while it is nowhere. */
  fundingHeight: number
  /** The spend that every honest mempool has. */
  mempool: number
  mined: number
  minedAt: number
  /** The spend that the lying server shows. */
  lie: number
  /** It hides that spend and shows it again, in each block. */
  blinks: boolean
  manner: Manner
  congested: boolean
  /** Blocks take far more than all estimates say, and go on to. */
  starved: boolean
  /** The states that the adversary can publish. */
  known: readonly number[]
  /** The closes that both have signed and that the adversary has, in stories of dear ones. */
  closes: readonly number[]
  /** How often the adversary may still ask for a close that pays nearly all of its share. */
  dears: number
  /**
   * The largest fee of a state of the adversary's that was in an honest mempool, in satoshis: what
   * it may cost to outbid it. Nothing is won by outbidding a close, which pays what is due.
   */
  dearest: bigint
  /**
   * How often the client may still dial: a refusal that ends a stream is repeated for as long as it
   * dials.
   */
  dials: number
  /** The old copy of each side's disk that it may go back to. */
  copy: Record<Role, number>
  /** What a side that has lost data had before. */
  lost: Record<Role, number>
  /**
   * How often each thing may still happen, in the order of `BUDGETS`; and how many of them all
   * together.
   */
  left: readonly number[]
  /**
   * What each node was shown of the chain last. It follows from the rest, unless the node is down.
   */
  shown: Record<Role, string>
}

export const ROLES: readonly Role[] = ['client', 'server']

export function keyOf(w: World): string {
  return `${w.side.client} ${w.side.server} ${Number(w.up.client)}${Number(w.up.server)}${Number(w.linked.client)}${Number(w.linked.server)} ${w.queue.client.join()} ${w.queue.server.join()} ${w.asked.client} ${w.asked.server} ${w.told.client.join()} ${w.told.server.join()} ${w.height} ${w.fundingHeight} ${w.mempool} ${w.mined} ${w.minedAt} ${w.lie} ${Number(w.blinks)}${w.manner} ${Number(w.congested)}${Number(w.starved)} ${w.known.join()} ${w.closes.join()} ${w.dears} ${w.dearest} ${w.dials} ${w.copy.client} ${w.copy.server} ${w.lost.client} ${w.lost.server} ${w.left.join()}`
}

/** A copy to change. */
export function copyOf(w: World): World {
  return {
    ...w,
    side: { ...w.side },
    up: { ...w.up },
    linked: { ...w.linked },
    queue: { ...w.queue },
    asked: { ...w.asked },
    told: { ...w.told },
    copy: { ...w.copy },
    lost: { ...w.lost },
    shown: { ...w.shown }
  }
}

export function left(w: World, budget: Budget): number {
  return Math.min(w.left[BUDGETS.indexOf(budget)] ?? 0, w.left[BUDGETS.length] ?? 0)
}

export function spendBudget(w: World, budget: Budget): void {
  const at = BUDGETS.indexOf(budget)
  w.left = w.left.map((count, i) => (i === at || i === BUDGETS.length ? count - 1 : count))
}

/*
 * How a node is told of the world: its environment, what servers show, and what they answer. Two
 * servers, one of which lies.
 */

/**
 * In satoshis per 1,000 vB: what a block takes, and what the servers' estimates are, when there is
 * room and when there is not.
 */
export const MARKET = {
  quiet: { takes: 1_000n, estimate: feeRate(2_000n), nextBlock: feeRate(2_000n) },
  congested: { takes: 8_000n, estimate: feeRate(4_000n), nextBlock: feeRate(8_000n) }
}

/**
 * What a block takes when no estimate says so: twice what a refusal alone makes a bid pay (EVID-4).
 */
export const STARVED = 40_000n

/** What a mempool says of a transaction; undefined when it takes it. */
export type Refusal = 'non-final' | 'missing-inputs' | 'insufficient-fee' | 'fee-too-low'

export function envOf(side: Side, height: number, congested: boolean): Env {
  const { estimate, nextBlock } = MARKET[congested ? 'congested' : 'quiet']
  return side.env({ height: blockHeight(height), feeRate: estimate, nextBlockRate: nextBlock })
}

export interface Shown {
  /** Undefined where T1 is in no mempool. */
  readonly funding: { readonly raw: Uint8Array; readonly height: number } | undefined
  /** The spend that is in a block, or the one in the honest mempool. */
  readonly honest: { readonly spend: Spend; readonly height: number | undefined } | undefined
  readonly lie: Spend | undefined
  readonly manner: Manner
}

/** What two servers show together: what is in the honest mempool, unless one hides it, by both. */
export function historyOf({ funding, honest, lie, manner }: Shown): FundingHistory {
  const spends: ShownTransaction[] = []
  // A lie comes first: whoever takes the first that is shown takes the worst.
  if (lie !== undefined && lie !== honest?.spend && honest?.height === undefined) {
    spends.push({ transaction: parseTransaction(lie.raw), height: undefined, shownBy: 1 })
  }
  if (honest !== undefined) {
    const {
      spend: { raw },
      height
    } = honest
    spends.push(
      height === undefined
        ? { transaction: parseTransaction(raw), height, shownBy: manner === 'hides' ? 1 : 2 }
        : { transaction: parseTransaction(raw), height: blockHeight(height) }
    )
  }
  return {
    funding: funding && {
      transaction: parseTransaction(funding.raw),
      height: funding.height < 0 ? undefined : blockHeight(funding.height)
    },
    spends,
    strays: []
  }
}

/**
 * What comes of a broadcast through both servers: one that takes it is enough, and a refusal for
 * its fee outranks all others.
 */
export function answerTo(
  purpose: BroadcastPurpose,
  txid: Txid,
  honest: Refusal | undefined,
  manner: Manner
): ChannelEvent {
  const isForFee = honest === 'insufficient-fee' || honest === 'fee-too-low'
  if (honest === undefined || manner === 'takes all') {
    return {
      type: 'broadcast-done',
      purpose,
      txid,
      isRefused: honest !== undefined || manner === 'asks for more',
      refusedForFee: isForFee || manner === 'asks for more'
    }
  }
  const kind = isForFee
    ? honest
    : manner === 'refuses'
      ? 'other'
      : manner === 'asks for more'
        ? 'fee-too-low'
        : honest
  return { type: 'broadcast-failed', purpose, txid, kind, reason: kind }
}

/**
 * Numbers for values: two values have the same number when they say the same. What is in a state is
 * never changed in place, so what was read once of an object is remembered with it.
 */
export class Interned<T> {
  readonly #numbers = new Map<string, number>()
  readonly #values: T[] = []

  /** `key` says all of the value that counts. */
  numberOf(value: T, key: string): number {
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    this.#numbers.set(key, this.#values.length)
    this.#values.push(value)
    return this.#values.length - 1
  }

  at(number: number): T {
    if (number < 0 || number >= this.#values.length) throw new Error(`there is no value ${number}`)
    return this.#values[number] as T
  }

  get size(): number {
    return this.#values.length
  }
  get all(): T[] {
    return [...this.#values]
  }
}

const texts = new Interned<string>()
const known = new WeakMap<object, string>()

/**
 * A text that is the same for two values exactly when they say the same; a field that is undefined
 * is as one that is not there.
 */
export function canonical(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `${value}n`
    case 'object':
      return value === null ? 'null' : canonicalObject(value)
    case 'function':
    case 'symbol':
      throw new Error('a state holds data only')
    default:
      return JSON.stringify(value) ?? 'undefined'
  }
}

function canonicalObject(value: object): string {
  const before = known.get(value)
  if (before !== undefined) return before
  const parts = textOf(value)
  const text = `#${texts.numberOf(parts, parts)}`
  known.set(value, text)
  return text
}

function textOf(value: object): string {
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([name, field]) => `${name}:${canonical(field)}`).join(',')}}`
}

/**
 * 53 bits of a text, by two passes of cyrb53: among ten million texts, two have the same number
 * with a probability of 0.6 %.
 */
export function hashOf(text: string): number {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 2654435761)
    b = Math.imul(b ^ code, 1597334677)
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909)
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909)
  return 4294967296 * (2097151 & b) + (a >>> 0)
}
