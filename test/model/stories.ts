/**
 * The small channels that are explored: who is the adversary, what is paid, and how often each
 * thing may happen.
 */
import type { Role } from '../../src/bitcoin/keys.js'
import type { Budget } from './world.js'

export interface Story {
  readonly name: string
  readonly about: string
  /** Blocks between turns; a one-way channel when undefined. */
  readonly step?: number
  readonly adversary: Role | undefined
  /** Another channel of the same two sides, which renews this one. */
  readonly beside?: 'renewal'
  /** What the client has paid before the renewal, in satoshis. */
  readonly before?: readonly bigint[]
  /** As `payments`, in the channel that renews the first. */
  readonly paymentsBeside?: Story['payments']
  /** Amounts in satoshis that each side pays, in this order, out of a channel of 1,000,000. */
  readonly payments: Readonly<Record<Role, readonly bigint[]>>
  /** Moves before everything else. */
  readonly prologue: readonly string[]
  /**
   * Who has lost data is told what it has forgotten also while its older state waits for a block.
   */
  readonly tellsLate?: true
  /** How often the adversary asks for a close with a fee of nearly all that it has. */
  readonly dears?: number
  /** Each of its worlds takes longer: this part of the states that other stories get. */
  readonly part?: number
  /** How often each thing may happen at the most. */
  readonly bounds: Readonly<Partial<Record<Budget, number>>>
}

const paysFrom = (role: Role): string[] => [`pay ${role}`, 'run', `pay ${role}`, 'run']

const HONEST = { cuts: 2, crashes: 2, reorgs: 1, closes: 2, congestions: 1, lies: 2 }
const HOSTILE = { ...HONEST, sends: 2, pins: 1, directs: 1 }
const LOSSES = { copies: 1, restores: 1 }

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
    about:
      'a one-way channel whose server and one Electrum server lie together; the second payment leaves the client less than an output',
    adversary: 'server',
    payments: { client: [600_000n, 399_900n], server: [] },
    prologue: [],
    bounds: HOSTILE
  },
  {
    name: 'two-way-honest',
    about:
      'a two-way channel with a turn for each side, both honest, one lying server beside an honest one',
    step: 9,
    adversary: undefined,
    payments: { client: [900_000n], server: [850_000n] },
    prologue: [],
    bounds: HONEST
  },
  {
    name: 'two-way-client',
    about:
      'a two-way channel whose client holds the newest state, of turn 1, and lies together with one server',
    step: 9,
    adversary: 'client',
    payments: { client: [900_000n], server: [100_000n] },
    prologue: ['pay client', 'run'],
    bounds: HOSTILE
  },
  {
    name: 'two-way-server',
    about:
      'a two-way channel whose server holds the oldest and the newest state, and lies together with one Electrum server',
    step: 9,
    adversary: 'server',
    payments: { client: [900_000n, 10_000n], server: [850_000n] },
    prologue: ['pay client', 'run', ...paysFrom('server')],
    bounds: HOSTILE
  },
  ...renewals(),
  ...(
    [
      ['honest', undefined, 'both sides honest'],
      ['client', 'client', 'its client lies'],
      ['server', 'server', 'its server lies']
    ] as const
  ).map(([name, adversary, about]): Story => ({
    name: `renewal-lost-${name}`,
    about: `a one-way channel whose client has signed T1 of its renewal, ${about}; who loses its disk has a copy on which the renewal is not, or not signed`,
    adversary,
    beside: 'renewal',
    part: 0.1,
    before: [600_000n],
    payments: { client: [100_000n], server: [] },
    paymentsBeside: { client: [200_000n], server: [] },
    prologue: ['other deliver server', 'other deliver client'],
    bounds: {
      ...(adversary === undefined ? HONEST : HOSTILE),
      ...{ lies: 0, closes: 1, crashes: 1 },
      ...LOSSES
    }
  })),
  {
    name: 'renewed-server',
    about:
      'a two-way channel from the moment in which T1 of its renewal is in the mempools; the server lies',
    step: 9,
    adversary: 'server',
    beside: 'renewal',
    part: 0.4,
    before: [600_000n],
    payments: { client: [], server: [] },
    paymentsBeside: { client: [200_000n], server: [700_000n] },
    prologue: [
      'other deliver server',
      'other deliver client',
      'other deliver server',
      'other deliver client'
    ],
    bounds: { ...HOSTILE, lies: 0, closes: 1 }
  },
  {
    name: 'restore-honest',
    about:
      'a two-way channel whose sides go back to old copies of their disks, or to nothing but their seeds, both honest',
    step: 9,
    adversary: undefined,
    payments: { client: [600_000n], server: [500_000n] },
    prologue: ['pay client', 'run'],
    part: 0.4,
    bounds: { ...HONEST, lies: 0, ...LOSSES }
  },
  {
    name: 'restore-client',
    about: 'a one-way channel whose server loses its disk, and whose client names what it likes',
    adversary: 'client',
    payments: { client: [600_000n, 300_000n], server: [] },
    prologue: ['pay client', 'run'],
    part: 0.4,
    bounds: { ...HOSTILE, lies: 0, ...LOSSES }
  },
  {
    name: 'restore-server',
    about: 'a two-way channel whose client loses its disk, and whose server names what it likes',
    step: 9,
    adversary: 'server',
    payments: { client: [900_000n], server: [850_000n] },
    prologue: ['pay client', 'run'],
    part: 0.4,
    bounds: { ...HOSTILE, lies: 0, ...LOSSES }
  },
  {
    name: 'dear-client',
    about:
      'a one-way channel whose client asks for a close with a fee of nearly all that it has, while the server comes back in its last block',
    adversary: 'client',
    payments: { client: [600_000n], server: [] },
    prologue: ['pay client', 'run'],
    dears: 2,
    part: 0.15,
    // Who is there for one block alone has nothing left when that block is taken back.
    bounds: { ...HOSTILE, lates: 1, reorgs: 0 }
  },
  {
    name: 'dear-server',
    about:
      'the same of a two-way channel, whose server asks and whose client holds the newest state',
    step: 9,
    adversary: 'server',
    payments: { client: [900_000n], server: [400_000n] },
    prologue: ['pay client', 'run', ...paysFrom('server')],
    dears: 2,
    part: 0.15,
    // Who is there for one block alone has nothing left when that block is taken back.
    bounds: { ...HOSTILE, lates: 1, reorgs: 0 }
  },
  {
    name: 'dear-forgotten',
    about:
      'a one-way channel whose server has forgotten such a close, on an old copy of its disk; the client and one server have it, and blocks take more than estimates say',
    adversary: 'client',
    payments: { client: [600_000n], server: [] },
    prologue: [
      'pay client',
      'run',
      'copy server',
      'dear client',
      'deliver-kept server',
      'restore server',
      'starve'
    ],
    dears: 2,
    part: 0.15,
    bounds: HOSTILE
  },
  {
    name: 'dear-renewal',
    about:
      'a one-way channel from the moment in which T1 of its renewal is in the mempools, whose client asks for dear closes of both',
    adversary: 'client',
    beside: 'renewal',
    before: [600_000n],
    payments: { client: [], server: [] },
    paymentsBeside: { client: [200_000n], server: [] },
    prologue: [
      'other deliver server',
      'other deliver client',
      'other deliver server',
      'other deliver client'
    ],
    dears: 1,
    part: 0.1,
    bounds: { ...HOSTILE, lies: 0, closes: 1 }
  },
  {
    name: 'handed-late',
    about:
      'a one-way channel whose server has gone back to an old copy, and publishes its older state before the client hands over the newer one; both honest',
    adversary: undefined,
    payments: { client: [300_000n, 300_000n], server: [] },
    prologue: ['pay client', 'run', 'copy server', 'pay client', 'run', 'restore server'],
    tellsLate: true,
    part: 0.1,
    bounds: { cuts: 1, lies: 1 }
  }
]

function renewals(): Story[] {
  return (
    [
      ['honest', undefined, 'both sides honest'],
      ['client', 'client', 'its client lies'],
      ['server', 'server', 'its server lies']
    ] as const
  ).map(([name, adversary, about]) => ({
    name: `renewal-${name}`,
    about: `a one-way channel that is renewed, ${about}`,
    adversary,
    beside: 'renewal',
    part: 0.4,
    before: [600_000n],
    payments: { client: [100_000n], server: [] },
    paymentsBeside: { client: [200_000n], server: [] },
    prologue: [],
    bounds: { ...(adversary === undefined ? HONEST : HOSTILE), lies: 0, closes: 1 }
  }))
}

/** @throws when there is none of that name */
export function storyOf(name: string): Story {
  const story = STORIES.find((story) => story.name === name)
  if (story === undefined) {
    throw new Error(`there is no story '${name}': ${STORIES.map((story) => story.name).join(', ')}`)
  }
  return story
}
