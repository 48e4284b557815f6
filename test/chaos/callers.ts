/** Those who pay while everything breaks, and what each of them was told. */
import type { PayRequest } from '../../src/node/api.js'
import { codeOf, messageOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import type { Told } from './books.js'
import type { Draw } from './faults.js'
import { pause, type Name, type World } from './world.js'

/** After these nobody knows whether it was paid; all others say that it was not. */
const UNKNOWN = new Set(['ERR_PAYMENT_UNKNOWN', 'ERR_PAYMENT_PARTIAL', 'ERR_API_FAILED'])

/** Before a caller asks again, or pays again, in milliseconds. */
const BETWEEN = { least: 5, most: 80 } as const
const AGAIN_MS = 250

export interface Direction {
  readonly from: Name
  readonly to: Name
}

export class Callers {
  readonly told: Told[] = []
  readonly codes = new Map<string, number>()
  /** What no caller should ever be told. */
  readonly findings: string[] = []
  /** What has not been answered for good, with the last code that its caller was told. */
  readonly #waiting = new Map<string, string>()
  #count = 0
  #isOver = false
  /** Nobody asks again from then on. */
  #giveUpAt = Number.POSITIVE_INFINITY
  readonly #world: World
  readonly #draw: Draw

  constructor(world: World, draw: Draw) {
    this.#world = world
    this.#draw = draw
  }

  get acknowledged(): number {
    return this.told.filter(({ outcome }) => outcome === 'acknowledged').length
  }

  /**
   * Pays in one direction after the other, until it is over. `directions`: which one it is just
   * now.
   */
  async run(direction: () => Direction): Promise<void> {
    while (!this.#isOver) {
      await this.payOnce(direction())
      await pause(this.#draw.between(BETWEEN.least, BETWEEN.most))
    }
  }

  /** Who still waits, and for what. */
  get waiting(): string {
    return [...this.#waiting].map(([memo, code]) => `${memo}: ${code}`).join(', ')
  }

  /** No new payments; those that have a name are asked for so long. */
  end(seconds: number): void {
    this.#isOver = true
    this.#giveUpAt = performance.now() + seconds * 1_000
  }

  /** Payments go on, as after `end` they do not. */
  again(): void {
    this.#isOver = false
    this.#giveUpAt = Number.POSITIVE_INFINITY
  }

  /**
   * One payment, and all that its caller does about it: with a name it is asked for until it is
   * made, and sometimes once more.
   */
  async payOnce({ from, to }: Direction, isNamed = this.#draw.chance(70)): Promise<Told> {
    const memo = `${from} ${++this.#count}`
    const amount = satoshi(BigInt(this.#draw.between(1, 200)))
    const ask = async (): Promise<readonly string[] | string> =>
      await this.#ask(from, {
        to: this.#world.node(to).peerId,
        amount,
        memo,
        ...(isNamed ? { id: memo } : {})
      })
    const mostTries = isNamed ? Number.POSITIVE_INFINITY : 1
    let answer = await ask()
    let mayBeMade = isUnknown(answer)
    for (
      let tries = 1;
      tries < mostTries && typeof answer === 'string' && performance.now() < this.#giveUpAt;
      tries++
    ) {
      await pause(AGAIN_MS)
      answer = await ask()
      mayBeMade ||= isUnknown(answer)
    }
    const ids = typeof answer === 'string' ? [] : answer
    if (isNamed && ids.length > 0 && this.#draw.chance(15)) {
      const again = await ask()
      if (typeof again !== 'string' && again.join() !== ids.join()) {
        this.findings.push(
          `${memo} was acknowledged as ${ids.join()}, and asked for again as ${again.join()}`
        )
      }
    }
    this.#waiting.delete(memo)
    const told: Told = {
      memo,
      from,
      to,
      amount,
      outcome: ids.length > 0 ? 'acknowledged' : mayBeMade ? 'unknown' : 'refused',
      ids
    }
    this.told.push(told)
    return told
  }

  /** The ids of what was paid, or the code of why not. */
  async #ask(
    from: Name,
    request: PayRequest & { readonly memo: string }
  ): Promise<readonly string[] | string> {
    const { memo } = request
    this.#waiting.set(memo, `no answer, after ${this.#waiting.get(memo) ?? 'nothing'}`)
    try {
      return (await this.#world.node(from).api.pay(request)).parts.map(({ id }) => id)
    } catch (error) {
      const code = codeOf(error)
      if (code === 'ERR_INTERNAL') this.findings.push(`${from} has a bug: ${messageOf(error)}`)
      this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
      this.#waiting.set(memo, code)
      return code
    }
  }
}

function isUnknown(answer: readonly string[] | string): boolean {
  return typeof answer === 'string' && UNKNOWN.has(answer)
}
