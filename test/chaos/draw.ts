/**
 * What is left to chance in a drill, from its seed: the same seed draws the same faults in the same
 * order. When they strike is up to the machine.
 */
import { seededRandom } from '../chain/helpers.js'

export interface Draw {
  /** A whole number from `least` to `most`. */
  between: (least: number, most: number) => number
  pick: <T>(list: readonly T[]) => T
  chance: (percent: number) => boolean
}

export function drawFrom(seed: number): Draw {
  const random = seededRandom(seed === 0 ? 1 : seed)
  const below = (limit: number): number =>
    Number.parseInt(Buffer.from(random.bytes(4)).toString('hex'), 16) % limit
  // The first numbers of a small seed are small themselves.
  for (let n = 0; n < 16; n++) below(2)
  return {
    between: (least, most) => least + below(most - least + 1),
    pick: (list) => {
      const one = list[below(list.length)]
      if (one === undefined) throw new Error('There is nothing to pick from.')
      return one
    },
    chance: (percent) => below(100) < percent
  }
}
