/** Breadth first over everything that can be reached: what is found first has a shortest trace. */
import { hashOf } from './intern.js'
import { Judge, type Violation } from './judge.js'
import { Machine } from './machine.js'
import { Moves } from './moves.js'
import type { Story } from './stories.js'
import { BUDGETS, keyOf, type World } from './world.js'

/** Two that meet are what most faults need. */
export const USUAL_INCIDENTS = 2

export interface Bounds {
  /** Lies, attacks and accidents of all kinds in one story. */
  readonly incidents?: number
  /** Moves after the prologue. */
  readonly depth?: number
  readonly states?: number
  readonly seconds?: number
  /** Moves that match this are left out. */
  readonly without?: string | undefined
}

export interface Found extends Violation { readonly moves: readonly string[] }

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

  add (parent: number, move: string): number {
    let number = this.#numbers.get(move)
    if (number === undefined) {
      number = this.#names.push(move) - 1
      this.#numbers.set(move, number)
    }
    this.#moves.push(number)
    return this.#parents.push(parent) - 1
  }

  to (state: number): string[] {
    const moves: string[] = []
    for (let at = state; at > 0; at = this.#parents[at] ?? 0) moves.unshift(this.#names[this.#moves[at] ?? 0] ?? '')
    return moves
  }

  get size (): number { return this.#parents.length }
}

/** V8 bounds one set to 16.7 million numbers. */
class Seen {
  readonly #parts = Array.from({ length: 16 }, () => new Set<number>())

  add (hash: number): boolean {
    const part = this.#parts[hash % this.#parts.length]
    if (part === undefined || part.has(hash)) return false
    part.add(hash)
    return true
  }
}

/** How often each thing may happen, and how many of them in one story. */
function boundsOf ({ bounds }: Story, incidents: number): number[] {
  return [...BUDGETS.map((budget) => Math.min(bounds[budget] ?? 0, incidents)), incidents]
}

export function explore (story: Story, { incidents = USUAL_INCIDENTS, depth = Number.POSITIVE_INFINITY, states = Number.POSITIVE_INFINITY, seconds = Number.POSITIVE_INFINITY, without }: Bounds = {}): Explored {
  const start = Date.now()
  const machine = new Machine(story)
  const moves = new Moves(machine)
  const judge = new Judge(machine, moves)
  const left = without === undefined ? undefined : new RegExp(without)
  const seen = new Seen()
  const ways = new Ways()
  const first = moves.begin(boundsOf(story, incidents))
  let frontier: Array<readonly [number, World]> = [[ways.add(0, ''), first]]
  seen.add(hashOf(keyOf(first)))
  const wrong = judge.verdict(first)
  const over = (reached: number, isComplete: boolean, violation?: Found): Explored => ({ story: story.name, incidents, states: ways.size, depth: reached, seconds: (Date.now() - start) / 1000, isComplete, sides: machine.sides.size, transitions: machine.sides.worked, violation })
  if (wrong !== undefined) return over(0, false, { ...wrong, moves: [] })
  for (let reached = 0; ; reached++) {
    if (frontier.length === 0) return over(reached - 1, true)
    if (reached >= depth) return over(reached, false)
    const next: typeof frontier = []
    for (const [number, world] of frontier) {
      if (ways.size > states || (Date.now() - start) / 1000 > seconds) return over(reached, false)
      for (const move of moves.list(world)) {
        if (left?.test(move) === true) continue
        const after = moves.apply(world, move)
        if (!seen.add(hashOf(keyOf(after)))) continue
        const at = ways.add(number, move)
        const violation = judge.verdict(after)
        if (violation !== undefined) return over(reached + 1, false, { ...violation, moves: ways.to(at) })
        next.push([at, after])
      }
    }
    frontier = next
  }
}

/** Plays moves one after the other; `tell` hears of each world, and of what is wrong with it. */
export function replay (story: Story, trace: readonly string[], incidents: number, tell: (move: string, world: World, machine: Machine, violation: Violation | undefined) => void): Violation | undefined {
  const machine = new Machine(story)
  const moves = new Moves(machine)
  const judge = new Judge(machine, moves)
  let world = moves.begin(boundsOf(story, incidents))
  let violation = judge.verdict(world)
  tell('', world, machine, violation)
  for (const move of trace) {
    if (!moves.list(world).includes(move)) throw new Error(`'${move}' cannot happen now; what can: ${moves.list(world).join(', ')}`)
    world = moves.apply(world, move)
    violation = judge.verdict(world)
    tell(move, world, machine, violation)
  }
  return violation
}
