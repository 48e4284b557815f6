/** Breadth first over everything that can be reached: what is found first has a shortest trace. */
import { ChannelGame, type Ending, type Game } from './game.js'
import { BUDGETS, hashOf } from './world.js'
import { RenewalGame } from './renewals.js'
import type { Violation } from './rules.js'
import type { Story } from './stories.js'

/* Which game a story is. */

/** A story knows nothing of what its worlds are made of, and who plays it does not either. */
function withGameOf<R>(story: Story, play: <W>(game: Game<W>) => R): R {
  return story.beside === 'renewal' ? play(new RenewalGame(story)) : play(new ChannelGame(story))
}

/*
 * What has to be true of every world that can be reached, and of where it leads when nobody says a
 * word any more.
 */

class Judge<W> {
  readonly #exits = new Map<string, Violation | undefined>()
  readonly #game: Game<W>
  readonly #oneIn: number

  /**
   * `oneIn`: of so many worlds from which it takes days of blocks to an end, one is played to it.
   */
  constructor(game: Game<W>, oneIn = 1) {
    this.#game = game
    this.#oneIn = oneIn
  }

  /** The first thing that is wrong with a world, or with where it leads. */
  verdict(w: W): Violation | undefined {
    return this.#game.now(w) ?? (this.#isLeftOut(w) ? undefined : this.#end(w))
  }

  #isLeftOut(w: W): boolean {
    return (
      this.#oneIn > 1 && this.#game.isPinned(w) && hashOf(this.#game.key(w)) % this.#oneIn !== 0
    )
  }

  #end(w: W): Violation | undefined {
    return (
      this.#exit(w, 'silent') ??
      (this.#game.story.adversary === undefined ? undefined : this.#exit(w, 'greedy'))
    )
  }

  /** From here nobody says any more; servers go on as they do; blocks come and take what pays. */
  #exit(from: W, ending: Ending): Violation | undefined {
    const game = this.#game
    const seen: string[] = []
    const steps: string[] = []
    let found: Violation | undefined
    let w = game.hushed(from)
    for (;;) {
      const key = `${ending} ${game.key(w)}`
      if (this.#exits.has(key)) {
        found = this.#exits.get(key)
        break
      }
      seen.push(key)
      found = game.now(w)
      if (found !== undefined || game.isPaid(w)) break
      if (game.isLate(w)) {
        found = game.unpaid(w)
        break
      }
      const next = game.next(w, ending)
      w = next.world
      steps.push(...next.told)
    }
    const verdict = found === undefined ? undefined : { ...found, after: found.after ?? steps }
    for (const key of seen) this.#exits.set(key, verdict)
    return verdict
  }
}

/** Two that meet are what most faults need. */
export const USUAL_INCIDENTS = 2

/**
 * Of so many worlds with a pin in the mempools one is played to its end: that takes a week of
 * blocks, each with a bid of its own.
 */
const PINNED_ONE_IN = 16

export interface Bounds {
  /** Lies, attacks and accidents of all kinds in one story. */
  readonly incidents?: number
  /** Moves after the prologue. */
  readonly depth?: number
  /** Of a story; some get a part of them (`Story.part`). */
  readonly states?: number
  readonly seconds?: number
  /** Moves that match this are left out. */
  readonly without?: string | undefined
}

export interface Found extends Violation {
  readonly moves: readonly string[]
}

export interface Explored {
  readonly story: string
  readonly incidents: number
  readonly states: number
  /** Moves on the longest of the shortest ways to a state. */
  readonly depth: number
  readonly seconds: number
  /** Why it ended: nothing was left, or a bound was reached. */
  readonly isComplete: boolean
  /** Different states of a side, and transitions of the real state machine that were worked out. */
  readonly sides: number
  readonly transitions: number
  readonly violation: Found | undefined
}

/** Which move led to a state, and from which. */
class Ways {
  readonly #parents: number[] = []
  readonly #moves: number[] = []
  readonly #names: string[] = []
  readonly #numbers = new Map<string, number>()

  add(parent: number, move: string): number {
    let number = this.#numbers.get(move)
    if (number === undefined) {
      number = this.#names.push(move) - 1
      this.#numbers.set(move, number)
    }
    this.#moves.push(number)
    return this.#parents.push(parent) - 1
  }

  to(state: number): string[] {
    const moves: string[] = []
    for (let at = state; at > 0; at = this.#parents[at] ?? 0) {
      moves.unshift(this.#names[this.#moves[at] ?? 0] ?? '')
    }
    return moves
  }

  get size(): number {
    return this.#parents.length
  }
}

/** V8 bounds one set to 16.7 million numbers. */
class Seen {
  readonly #parts = Array.from({ length: 16 }, () => new Set<number>())

  add(hash: number): boolean {
    const part = this.#parts[hash % this.#parts.length]
    if (part === undefined || part.has(hash)) return false
    part.add(hash)
    return true
  }
}

/** How often each thing may happen, and how many of them in one story. */
function boundsOf({ bounds }: Story, incidents: number): number[] {
  return [...BUDGETS.map((budget) => Math.min(bounds[budget] ?? 0, incidents)), incidents]
}

export function explore(story: Story, bounds: Bounds = {}): Explored {
  const { states = Number.POSITIVE_INFINITY } = bounds
  return withGameOf(story, (game) =>
    exploreGame(game, { ...bounds, states: states * (story.part ?? 1) })
  )
}

function exploreGame<W>(
  game: Game<W>,
  {
    incidents = USUAL_INCIDENTS,
    depth = Number.POSITIVE_INFINITY,
    states = Number.POSITIVE_INFINITY,
    seconds = Number.POSITIVE_INFINITY,
    without
  }: Bounds
): Explored {
  const start = Date.now()
  const judge = new Judge(game, PINNED_ONE_IN)
  const left = without === undefined ? undefined : new RegExp(without)
  const seen = new Seen()
  const ways = new Ways()
  const first = game.begin(boundsOf(game.story, incidents))
  let frontier: Array<readonly [number, W]> = [[ways.add(0, ''), first]]
  seen.add(hashOf(game.key(first)))
  const wrong = judge.verdict(first)
  const total = (of: (machine: Game<W>['machines'][number]) => number): number =>
    game.machines.reduce((sum, machine) => sum + of(machine), 0)
  const over = (reached: number, isComplete: boolean, violation?: Found): Explored => ({
    story: game.story.name,
    incidents,
    states: ways.size,
    depth: reached,
    seconds: (Date.now() - start) / 1000,
    isComplete,
    sides: total(({ sides }) => sides.size),
    transitions: total(({ sides }) => sides.worked),
    violation
  })
  if (wrong !== undefined) return over(0, false, { ...wrong, moves: [] })
  for (let reached = 0; ; reached++) {
    if (frontier.length === 0) return over(reached - 1, true)
    if (reached >= depth) return over(reached, false)
    const next: typeof frontier = []
    for (const [number, world] of frontier) {
      if (ways.size > states || (Date.now() - start) / 1000 > seconds) return over(reached, false)
      for (const move of game.list(world)) {
        if (left?.test(move) === true) continue
        const after = game.apply(world, move)
        if (!seen.add(hashOf(game.key(after)))) continue
        const at = ways.add(number, move)
        const violation = judge.verdict(after)
        if (violation !== undefined) {
          return over(reached + 1, false, { ...violation, moves: ways.to(at) })
        }
        next.push([at, after])
      }
    }
    frontier = next
  }
}

/** Plays moves one after the other; `tell` hears of each world, and of what is wrong with it. */
export function replay(
  story: Story,
  trace: readonly string[],
  incidents: number,
  tell: (move: string, world: string, violation: Violation | undefined) => void
): Violation | undefined {
  return withGameOf(story, (game) => replayGame(game, trace, incidents, tell))
}

function replayGame<W>(
  game: Game<W>,
  trace: readonly string[],
  incidents: number,
  tell: Parameters<typeof replay>[3]
): Violation | undefined {
  const judge = new Judge(game)
  let world = game.begin(boundsOf(game.story, incidents))
  let violation = judge.verdict(world)
  tell('', game.describe(world), violation)
  for (const move of trace) {
    const moves = game.list(world)
    if (!moves.includes(move)) {
      throw new Error(`'${move}' cannot happen now; what can: ${moves.join(', ')}`)
    }
    world = game.apply(world, move)
    violation = judge.verdict(world)
    tell(move, game.describe(world), violation)
  }
  return violation
}
