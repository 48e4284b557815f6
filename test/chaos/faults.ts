/**
 * What a drill does to its world: each fault strikes, lasts and is mended. Several may hold at
 * once, not of the same victim.
 */
import { spawnSync } from 'node:child_process'
import { EXIT } from '../../src/cli/output.js'
import { seededRandom } from '../chain/helpers.js'
import { CLIENTS, type Name, NAMES, type Road, type World } from './world.js'

export interface Strike {
  /** What happens, for the log. */
  readonly what: string
  /** Nothing else is done to it meanwhile. */
  readonly victim: string
  readonly lastsMs: number
  readonly begin: () => Promise<void>
  readonly mend: () => Promise<void>
}

interface Fault {
  readonly name: string
  /** Why this machine cannot do it. */
  readonly missing?: () => string | undefined
  readonly plan: (world: World, draw: Draw) => Strike
}

const SECOND = 1_000
const MINUTE = 60 * SECOND

/** A client's road to Bob, or a node's to its Electrum server. */
function someRoad(world: World, draw: Draw): { readonly what: string; readonly road: Road } {
  const roads = [
    ...CLIENTS.map((name) => ({
      what: `the link of ${name} and bob`,
      road: world.links.get(name)
    })),
    ...NAMES.map((name) => ({
      what: `the Electrum server of ${name}`,
      road: world.electrum.get(name)
    }))
  ]
  const { what, road } = draw.pick(roads)
  if (road === undefined) throw new Error(`There is no road: ${what}.`)
  return { what, road }
}

const onRoad = (
  name: string,
  how: (draw: Draw) => {
    readonly text: string
    readonly seconds: readonly [number, number]
    readonly begin: (road: Road) => Promise<void> | void
  }
): Fault => ({
  name,
  plan: (world, draw) => {
    const { what, road } = someRoad(world, draw)
    const { text, seconds, begin } = how(draw)
    return {
      what: `${what} ${text}`,
      victim: what,
      lastsMs: draw.between(seconds[0] * SECOND, seconds[1] * SECOND),
      begin: async () => {
        await begin(road)
      },
      mend: async () => {
        await road.open()
      }
    }
  }
})

const killed: Fault = {
  name: 'SIGKILL',
  plan: (world, draw) => {
    const name = draw.pick(NAMES)
    return {
      what: `SIGKILL: ${name}`,
      victim: name,
      lastsMs: draw.between(0, 1_500),
      begin: async () => {
        await world.kill(name)
      },
      mend: async () => {
        await world.start(name)
      }
    }
  }
}

const frozen: Fault = {
  name: 'SIGSTOP',
  plan: (world, draw) => {
    const name = draw.pick(NAMES)
    return {
      what: `SIGSTOP: ${name}`,
      victim: name,
      lastsMs: draw.between(SECOND, 12 * SECOND),
      begin: async () => {
        world.freeze(name)
      },
      mend: async () => {
        world.thaw(name)
      }
    }
  }
}

const blocks: Fault = {
  name: 'a burst of blocks',
  plan: (world, draw) => {
    const count = draw.between(4, 15)
    return {
      what: `${count} blocks at once`,
      victim: 'the chain',
      lastsMs: 0,
      begin: async () => {
        await world.mine(count)
      },
      mend: async () => {}
    }
  }
}

const reorganisation: Fault = {
  name: 'a reorganisation',
  plan: (world, draw) => {
    const depth = draw.between(1, 5)
    const transactions = draw.pick(['wait', 'mine', 'second'] as const)
    return {
      what: `${depth} blocks are taken back, their transactions: ${transactions}`,
      victim: 'the chain',
      lastsMs: 0,
      begin: async () => {
        await world.devnet.reorg(depth, { transactions })
      },
      mend: async () => {}
    }
  }
}

const HOURS: ReadonlyArray<readonly [string, number]> = [
  ['back by 59 minutes', -59],
  ['back by 61 minutes', -61],
  ['back by a day', -1_440],
  ['ahead by an hour', 60]
]

const clock: Fault = {
  name: 'a clock that is set',
  plan: (world, draw) => {
    const name = draw.pick(NAMES)
    const [text, minutes] = draw.pick(HOURS)
    // Longer than a ping and the time that it is given.
    return {
      what: `the clock of ${name} goes ${text}`,
      victim: `clock of ${name}`,
      lastsMs: draw.between(20 * SECOND, 40 * SECOND),
      begin: async () => {
        await world.surround(name, { clock: minutes * MINUTE })
      },
      mend: async () => {
        await world.surround(name, { clock: 0 })
      }
    }
  }
}

/**
 * A limit of the size of files makes each write of a process fail, and no other process feels it.
 */
function limitFiles(pid: number, size: 'unlimited' | '0'): void {
  spawnSync('prlimit', ['--pid', String(pid), `--fsize=${size}:unlimited`])
}

const fullDisk: Fault = {
  name: 'a full disk',
  missing: () =>
    spawnSync('prlimit', ['--version']).status === 0
      ? undefined
      : 'prlimit (util-linux) is not installed, and a disk of its own takes root',
  plan: (world, draw) => {
    const name = draw.pick(NAMES)
    return {
      what: `the disk of ${name} is full`,
      victim: name,
      lastsMs: draw.between(2 * SECOND, 4 * SECOND),
      begin: async () => {
        await failDisk(world, name)
      },
      mend: async () => {
        await mendDisk(world, name)
      }
    }
  }
}

async function failDisk(world: World, name: Name): Promise<void> {
  world.expectEnd(name)
  limitFiles(world.node(name).pid, '0')
}

/**
 * Whether it has noticed, and stopped, or had nothing to write: it is started again as by a person
 * who has made room.
 */
async function mendDisk(world: World, name: Name): Promise<void> {
  const { end } = world.node(name)
  if (end !== undefined && end.code !== EXIT.storeFailed) {
    world.findings.push(`${name} ended on a full disk with ${JSON.stringify(end)}`)
  }
  await world.kill(name)
  await world.start(name)
}

export const FAULTS: readonly Fault[] = [
  killed,
  killed,
  frozen,
  onRoad('links cut', () => ({
    text: 'is cut',
    seconds: [1, 8],
    begin: async (road) => {
      await road.cut()
    }
  })),
  onRoad('links slow', (draw) => {
    const ms = draw.between(100, 1_500)
    return {
      text: `takes ${ms} ms`,
      seconds: [3, 10],
      begin: (road) => {
        road.slow(ms)
      }
    }
  }),
  onRoad('links black-holed', () => ({
    text: 'swallows everything',
    seconds: [2, 20],
    begin: (road) => {
      road.black()
    }
  })),
  blocks,
  reorganisation,
  clock,
  fullDisk
]

/** What cannot be done here at all. */
export const NEVER: readonly string[] = [
  'a disk that is slow: that takes root',
  'packets that are lost one by one: that takes root (what a link swallows arrives later, or its connection ends)'
]

/**
 * What is left to chance in a drill, from its seed: the same seed draws the same faults in the same
 * order. When they strike is up to the machine.
 */
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
