/**
 * The real state machine, with every step remembered: the same state, event and surroundings come
 * to the same.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import type { Effect, PaymentLogEntry } from '../../src/channel/effects.js'
import type { ChannelEvent } from '../../src/channel/events.js'
import type { Channel } from '../../src/channel/state.js'
import { transition } from '../../src/channel/transition.js'
import type { FeeRate } from '../../src/types/units.js'
import type { Side } from '../channel/side.js'
import { envOf } from './adapter.js'
import { canonical, Interned } from './intern.js'

/** All that a node has on its disk of its channel. */
export interface SideState {
  readonly channel: Channel
  readonly log: readonly PaymentLogEntry[]
}

export interface Outcome {
  readonly next: number
  readonly effects: readonly Effect[]
}

export class Sides {
  readonly #states = new Interned<SideState>()
  readonly #messages = new Interned<Message>()
  readonly #steps = new Map<number, Outcome>()
  readonly #keys = new Interned<string>()
  readonly #signed = new Map<string, Uint8Array>()
  readonly #verified = new Map<string, boolean>()
  /** Transitions that were really worked out. */
  worked = 0
  readonly #nodes: Readonly<Record<Role, Side>>

  constructor(nodes: Readonly<Record<Role, Side>>) {
    this.#nodes = nodes
  }

  state(number: number): SideState {
    return this.#states.at(number)
  }
  numberOf(state: SideState): number {
    return this.#states.numberOf(state, `${canonical(state.channel)} ${canonical(state.log)}`)
  }
  message(number: number): Message {
    return this.#messages.at(number)
  }
  messageNumber(message: Message): number {
    return this.#messages.numberOf(message, canonical(message))
  }
  get size(): number {
    return this.#states.size
  }

  /** `key` says all of the event, and the estimate where that is not the market's. */
  step(
    role: Role,
    state: number,
    key: string,
    event: () => ChannelEvent,
    height: number,
    congested: boolean,
    estimate?: FeeRate
  ): Outcome {
    // One number of them all: of 2^20 states, 2^20 events, 2^10 heights.
    const known =
      ((state * 1_048_576 + this.#keys.numberOf(key, key)) * 1_024 + (height % 1_024)) * 4 +
      (role === 'client' ? 2 : 0) +
      (congested ? 1 : 0)
    const before = this.#steps.get(known)
    if (before !== undefined) return before
    const { channel, log } = this.state(state)
    this.worked += 1
    const market = envOf(this.#nodes[role], height, congested)
    const env = estimate === undefined ? market : { ...market, feeRate: estimate }
    const {
      state: next,
      log: written,
      effects
    } = transition(channel, event(), {
      ...env,
      // Signatures are the same for the same digest (RFC 6979), and the real ones are slow.
      sign: (digest) =>
        remembered(this.#signed, `${role}${Buffer.from(digest).toString('latin1')}`, () =>
          env.sign(digest)
        ),
      verify: (publicKey, digest, signature) =>
        remembered(
          this.#verified,
          [publicKey, digest, signature]
            .map((bytes) => Buffer.from(bytes).toString('latin1'))
            .join(),
          () => env.verify(publicKey, digest, signature)
        )
    })
    if (
      channel.stage === 'established' &&
      next.stage !== 'established' &&
      !key.startsWith('funding-lost')
    ) {
      throw new Error(`a channel with money became ${next.stage}`)
    }
    const outcome = {
      next: this.numberOf({
        channel: next,
        log: written.length === 0 ? log : [...log, ...written]
      }),
      effects
    }
    this.#steps.set(known, outcome)
    return outcome
  }
}

function remembered<T>(memory: Map<string, T>, key: string, work: () => T): T {
  const known = memory.get(key)
  if (known !== undefined) return known
  const value = work()
  memory.set(key, value)
  return value
}
