/** Those who pay while everything breaks, and what each of them was told. */
import type { PayRequest } from '../../src/node/api.js'
import { codeOf, messageOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import type { Draw } from './faults.js'
import { type Name, pause, type World } from './world.js'

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

/*
 * The books of a drill: what callers were told, against what payees list, what channels hold and
 * what is on the chain. Pure.
 */

/** What the caller of a payment knows of it. `ids`: of its parts, as each answer named them. */
export interface Told {
  readonly memo: string
  readonly from: string
  readonly to: string
  readonly amount: bigint
  /** `refused`: never signed. `unknown`: made or not, whoever asked cannot tell. */
  readonly outcome: 'acknowledged' | 'refused' | 'unknown'
  readonly ids: readonly string[]
}

/** A payment in the list of a node. */
export interface Listed {
  readonly id: string
  readonly memo: string
  readonly amount: bigint
  readonly direction: 'sent' | 'received'
  readonly with: string
}

/** A channel, as its two sides see it. */
export interface Sides {
  readonly name: string
  readonly capacity: bigint
  readonly one: { readonly ours: bigint; readonly theirs: bigint }
  readonly other: { readonly ours: bigint; readonly theirs: bigint }
}

/**
 * Acknowledged payments that are lost, payments that were made twice or that nobody asked for; one
 * sentence each.
 */
export function checkPayments(
  told: readonly Told[],
  lists: ReadonlyMap<string, readonly Listed[]>
): string[] {
  const findings: string[] = []
  const asked = new Map(told.map((each) => [`${each.to} ${each.memo}`, each]))
  for (const [node, list] of lists) {
    const seen = new Set<string>()
    for (const { id, memo, direction } of list) {
      if (seen.has(`${direction} ${id}`)) {
        findings.push(`${node} lists payment ${id} (${memo}) twice`)
      }
      seen.add(`${direction} ${id}`)
      if (direction === 'received' && !asked.has(`${node} ${memo}`)) {
        findings.push(`${node} lists payment ${id} (${memo}), which nobody has asked for`)
      }
    }
  }
  for (const { memo, from, to, amount, outcome, ids } of told) {
    const received = (lists.get(to) ?? []).filter(
      (each) => each.direction === 'received' && each.memo === memo
    )
    const total = received.reduce((sum, each) => sum + each.amount, 0n)
    const what = `${memo}, ${amount} sat from ${from} to ${to}`
    if (total > amount) {
      findings.push(`DOUBLE: ${what} was made ${received.length} times, ${total} sat`)
    } else if (outcome === 'acknowledged' && total < amount) {
      findings.push(`LOST: ${what} was acknowledged, and the payee lists ${total} sat of it`)
    } else if (outcome === 'refused' && total > 0n) {
      findings.push(`${what} was refused, and the payee lists ${total} sat of it`)
    } else if (total > 0n && total < amount) findings.push(`${what} was made in part, ${total} sat`)
    else if (
      outcome === 'acknowledged' &&
      [...ids].sort().join() !==
        received
          .map(({ id }) => id)
          .sort()
          .join()
    ) {
      findings.push(
        `${what} was acknowledged as ${ids.join(', ')}, and the payee lists ${received.map(({ id }) => id).join(', ')}`
      )
    }
  }
  return findings
}

/**
 * What the lists of two nodes say that one has paid the other, in satoshis; `undefined` unless both
 * say the same.
 */
export function paidBetween(
  sent: readonly Listed[],
  received: readonly Listed[]
): bigint | undefined {
  const key = ({ id, amount }: Listed): string => `${id} ${amount}`
  const [ours, theirs] = [sent.map(key).sort().join(), received.map(key).sort().join()]
  return ours === theirs ? received.reduce((sum, { amount }) => sum + amount, 0n) : undefined
}

/** Both sides of each channel see the same, and nothing of it is missing. */
export function checkChannels(channels: readonly Sides[]): string[] {
  return channels.flatMap(({ name, capacity, one, other }) => {
    const findings: string[] = []
    if (one.ours !== other.theirs || one.theirs !== other.ours) {
      findings.push(
        `${name}: one side sees ${one.ours} and ${one.theirs} sat, the other ${other.theirs} and ${other.ours}`
      )
    }
    if (one.ours + one.theirs !== capacity) {
      findings.push(`${name}: ${one.ours} and ${one.theirs} sat are not its ${capacity}`)
    }
    return findings
  })
}

/**
 * To the satoshi: what the nodes were given is what they have, and the fees that the chain shows.
 */
export function checkConserved(given: bigint, have: bigint, fees: bigint): string[] {
  return given === have + fees
    ? []
    : [
        `the nodes were given ${given} sat, and have ${have} with ${fees} sat of fees: ${given - have - fees} are missing`
      ]
}
