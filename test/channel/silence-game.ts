/**
 * A brute-force solver of the game at the end of a channel, for small ones: what silence brings
 * when the other side does what is best for itself, or is gone. `stakeOf` is held against it.
 */
import { payeeOf } from '../../src/channel/schedule.js'
import { otherRole, type Role } from '../../src/bitcoin/keys.js'

export interface Game {
  readonly capacity: number
  /** Ours in T2's state, then in that of turn 0, 1, ... */
  readonly shares: readonly number[]
  readonly role: Role
  /** What a block takes; every bid is at least that, and a whole number. */
  readonly fee: number
  /** Ours in the newest state, when there are closes of it. */
  readonly newest?: number
  /** Signed by both, without a lock: each divides as the newest state does, and its asker pays. */
  readonly closes?: readonly Close[]
}

interface Close {
  readonly asker: Role
  readonly fee: number
}

interface Outcome {
  readonly ours: number
  readonly theirs: number
}

interface Bid extends Outcome {
  readonly fee: number
}

/**
 * The game from the height on at which our state of turn `slot` has matured and the next older one
 * of the other side has not. In each window first we bid, with any mature state of ours, then they
 * may bid more: whoever moves last has the better of it. The block takes the higher bid, or the
 * next window opens.
 *
 * @param isSilent - we bid nothing in the first window
 */
function play(game: Game, slot: number, isSilent: boolean): Outcome {
  if (slot < LAST_SLOT) return { ours: 0, theirs: 0 } // locked up for good
  let best = reply(game, slot, undefined)
  if (isSilent) return best
  for (const turn of mature(game, slot, game.role)) {
    for (let fee = game.fee; fee <= shareIn(game, turn); fee++) {
      const ours = shareIn(game, turn)
      const outcome = reply(game, slot, { fee, ours: ours - fee, theirs: game.capacity - ours })
      if (outcome.ours > best.ours) best = outcome
    }
  }
  for (const close of closesOf(game)) {
    const outcome = reply(game, slot, close)
    if (outcome.ours > best.ours) best = outcome
  }
  return best
}

/** T2 has matured for a window and nobody has published: one more, then it is taken for ever. */
const LAST_SLOT = -2

/**
 * The other side answers our bid, or our silence: what is best for it; among equals what is worst
 * for us.
 */
function reply(game: Game, slot: number, bid: Bid | undefined): Outcome {
  let best: Outcome = bid ?? play(game, slot - 1, false)
  const least = Math.max(game.fee, (bid?.fee ?? 0) + 1)
  const states = mature(game, slot, otherRole(game.role)).map((turn): Bid => {
    const ours = shareIn(game, turn)
    return { fee: least, ours, theirs: game.capacity - ours - least }
  })
  for (const answer of [...states, ...closesOf(game).filter(({ fee }) => fee >= least)]) {
    if (
      answer.theirs >= 0 &&
      (answer.theirs > best.theirs || (answer.theirs === best.theirs && answer.ours < best.ours))
    ) {
      best = answer
    }
  }
  return best
}

/** The closes that blocks take, and whose asker can pay. */
function closesOf(game: Game): Bid[] {
  const newest = game.newest ?? 0
  return (game.closes ?? [])
    .map(({ asker, fee }): Bid => ({
      fee,
      ours: newest - (asker === game.role ? fee : 0),
      theirs: game.capacity - newest - (asker === game.role ? 0 : fee)
    }))
    .filter(({ fee, ours, theirs }) => fee >= game.fee && ours >= 0 && theirs >= 0)
}

function mature({ shares }: Game, slot: number, role: Role): number[] {
  return shares
    .map((_, i) => i - 1)
    .filter((turn) => turn >= slot && payeeOf(turn < 0 ? 'refund' : turn) === role)
}

function shareIn({ shares }: Game, turn: number): number {
  return shares[turn + 1] ?? 0
}

/**
 * The most that publishing our newest state in the window of `slot` is worth: what it gives, less
 * what silence brings at worst.
 */
export function solvedStake(game: Game, turn: number, slot: number): number {
  const newest = shareIn(game, turn)
  const whole = { ...game, newest }
  // Gone: whatever we publish later costs what a block takes.
  const gone = Math.max(0, newest - game.fee, ...closesOf(whole).map(({ ours }) => ours))
  return newest - Math.min(play(whole, slot, true).ours, gone)
}
