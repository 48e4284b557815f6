/**
 * What has to be true of every world that can be reached, and of where it leads when nobody says a
 * word any more.
 */
import type { Ending, Game } from './game.js'
import { hashOf } from './intern.js'
import type { Violation } from './rules.js'

export class Judge<W> {
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
