/**
 * Faults in a run with real nodes, at the same times as in virtual time: drawn from the same
 * streams.
 */
import { isMeant } from '../faults.js'
import type { Fault, Scenario } from '../scenario/scenario.js'
import { Draws } from '../../testing/random.js'
import type { Places, Timed } from './places.js'
import type { RealNode } from './real-node.js'
import type { RealWorld } from './real-world.js'

interface TroubleHost {
  readonly agenda: Agenda<Timed>
  readonly world: RealWorld
  readonly places: Places
}

/** Each happens once every earlier request is handled. */
export function arrangeTroubles(
  { seed, chain: { reorgs }, faults }: Scenario,
  host: TroubleHost
): void {
  if (reorgs !== undefined) nextReorg(reorgs, new Draws(seed, 'reorgs'), 0, host)
  faults.forEach((fault, n) => {
    if (fault.kind !== 'crash') return
    for (const node of host.world.nodes) {
      if (isMeant(fault.who, node)) {
        nextCrash(fault, node, new Draws(seed, `fault ${n} ${node.name}`), 0, host)
      }
    }
  })
}

function nextReorg(
  reorgs: NonNullable<Scenario['chain']['reorgs']>,
  draws: Draws,
  now: number,
  host: TroubleHost
): void {
  const time = now + Math.max(1, draws.of(reorgs.every))
  const { agenda, world, places } = host
  agenda.add({
    time,
    happen: async () => {
      await places.idle()
      await world.reorg(Math.max(1, Math.round(draws.of(reorgs.depth))))
      places.follow(time)
      nextReorg(reorgs, draws, time, host)
    }
  })
}

/** Alternates between running and stopped periods. */
function nextCrash(
  fault: Extract<Fault, { kind: 'crash' }>,
  node: RealNode,
  draws: Draws,
  now: number,
  host: TroubleHost
): void {
  const time = now + draws.of(fault.every)
  const { agenda, world, places } = host
  agenda.add({
    time,
    happen: async () => {
      await places.idle()
      if (node.isUp && !fault.orderly) node.crashes += 1
      await node.stop()
      const back = time + draws.of(fault.down)
      agenda.add({
        time: back,
        happen: async () => {
          await places.idle()
          await world.restart([node])
          places.follow(back)
          nextCrash(fault, node, draws, back, host)
        }
      })
    }
  })
}

/**
 * The pending events, in the order of time. They are few at once: a list that is sorted as it
 * grows.
 */
export class Agenda<T extends { readonly time: number }> {
  readonly #list: T[] = []

  /** Inserts an item; items of the same time stay in order. */
  add(item: T): void {
    const at = this.#list.findIndex(({ time }) => time > item.time)
    this.#list.splice(at === -1 ? this.#list.length : at, 0, item)
  }

  /** The time of the next item; Infinity when none is left. */
  get next(): number {
    return this.#list[0]?.time ?? Infinity
  }

  take(): T | undefined {
    return this.#list.shift()
  }
}
