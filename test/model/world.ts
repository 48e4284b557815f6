/**
 * One state of everything: both sides, the streams, the chain, what servers show, and what the
 * adversary has in its hands. Never changed in place once it is reached; sides, messages and
 * transactions are numbers of values that are kept once (intern.ts).
 */
import type { Role } from '../../src/bitcoin/keys.js'

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
