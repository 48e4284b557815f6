/** The small channels that are explored: who is the adversary, what is paid, and how often each thing may happen. */
import type { Role } from '../../src/bitcoin/keys.js'
import type { Budget } from './world.js'

export interface Story {
  readonly name: string
  readonly about: string
  /** Blocks between turns; a one-way channel when undefined. */
  readonly step?: number
  readonly adversary: Role | undefined
  /** Amounts in satoshis that each side pays, in this order, out of a channel of 1,000,000. */
  readonly payments: Readonly<Record<Role, readonly bigint[]>>
  /** Moves before everything else. */
  readonly prologue: readonly string[]
  /** How often each thing may happen at the most. */
  readonly bounds: Readonly<Partial<Record<Budget, number>>>
}

const paysFrom = (role: Role): string[] => [`pay ${role}`, 'run', `pay ${role}`, 'run']

const HONEST = { cuts: 2, crashes: 2, reorgs: 1, closes: 2, congestions: 1, lies: 2 }
const HOSTILE = { ...HONEST, sends: 2, pins: 1, directs: 1 }

/** All amounts are lopsided: an old state costs most of the channel. */
export const STORIES: readonly Story[] = [
  {
    name: 'one-way-honest',
    about: 'a one-way channel, both sides honest, one lying server beside an honest one',
    adversary: undefined,
    payments: { client: [600_000n, 399_900n], server: [] },
    prologue: [],
    bounds: HONEST
  },
  {
    name: 'one-way-client',
    about: 'a one-way channel whose client and one server lie together',
    adversary: 'client',
    payments: { client: [600_000n, 300_000n], server: [] },
    prologue: [],
    bounds: HOSTILE
  },
  {
    name: 'one-way-server',
    about: 'a one-way channel whose server and one Electrum server lie together; the second payment leaves the client less than an output',
    adversary: 'server',
    payments: { client: [600_000n, 399_900n], server: [] },
    prologue: [],
    bounds: HOSTILE
  },
  {
    name: 'two-way-honest',
    about: 'a two-way channel with a turn for each side, both honest, one lying server beside an honest one',
    step: 9,
    adversary: undefined,
    payments: { client: [900_000n], server: [850_000n] },
    prologue: [],
    bounds: HONEST
  },
  {
    name: 'two-way-client',
    about: 'a two-way channel whose client holds the newest state, of turn 1, and lies together with one server',
    step: 9,
    adversary: 'client',
    payments: { client: [900_000n], server: [100_000n] },
    prologue: ['pay client', 'run'],
    bounds: HOSTILE
  },
  {
    name: 'two-way-server',
    about: 'a two-way channel whose server holds the oldest and the newest state, and lies together with one Electrum server',
    step: 9,
    adversary: 'server',
    payments: { client: [900_000n, 10_000n], server: [850_000n] },
    prologue: ['pay client', 'run', ...paysFrom('server')],
    bounds: HOSTILE
  }
]

/** @throws when there is none of that name */
export function storyOf (name: string): Story {
  const story = STORIES.find((story) => story.name === name)
  if (story === undefined) throw new Error(`there is no story '${name}': ${STORIES.map((story) => story.name).join(', ')}`)
  return story
}
