/**
 * The stories that the crash test tells: every way in which a channel is opened, used and ended.
 */
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Link, LinkListener, Peers } from '../../src/engine/ports.js'
import { blockDelta, feeRate, satoshi } from '../../src/types/units.js'
import { openFromOutside } from './outside-wallet.test.js'
import type { Scenario, Stage, Step } from './stage.js'
import { BLOCKS, CAPACITY, quiet, type Node } from './world.js'

const open = (channels = 1, capacity = CAPACITY): Step => ({
  what: 'open',
  act: async (stage) => {
    const { alice, world } = stage
    const opening =
      stage.channels(alice).length < channels
        ? alice.engine.open({ peer: 'bob', capacity, blocks: BLOCKS, wait: 'ready' })
        : Promise.resolve()
    opening.catch(() => {}) // it may fail while we mine
    await quiet()
    await world.mine()
    await opening
  },
  done: (stage) =>
    [stage.alice, stage.bob].every(
      (node) => stage.channels(node).filter(({ status }) => status === 'open').length >= channels
    )
})

/** Either side pays, in turns 3 blocks apart: eleven of them, of which six are free. */
const openTwoWay: Step = {
  ...open(),
  act: async (stage) => {
    const { alice, world } = stage
    const opening =
      stage.channels(alice).length > 0
        ? Promise.resolve()
        : alice.engine.open({
            peer: 'bob',
            capacity: CAPACITY,
            blocks: BLOCKS,
            step: blockDelta(3),
            wait: 'ready'
          })
    opening.catch(() => {})
    await quiet()
    await world.mine()
    await opening
  }
}

const payBack = (payments: Readonly<Record<string, bigint>>): Step => ({
  what: `pay back ${Object.keys(payments).join()}`,
  act: async (stage) => {
    await stage.payBack(payments)
  },
  done: async (stage) => await stage.paidBack(payments)
})

const pay = (payments: Readonly<Record<string, bigint>>, channel = 0): Step => ({
  what: `pay ${Object.keys(payments).join()}`,
  act: async (stage) => {
    await stage.pay(channel, payments)
  },
  done: async (stage) => await stage.paid(payments)
})

/** Asks again after an accident, and even when it is done: it is made once. */
const payOnce = (name: string, amount: bigint): Step => ({
  what: `pay ${name}`,
  act: async (stage) => {
    await stage.payOnce(name, amount)
  },
  done: (stage) => stage.acknowledged.has(name)
})

/** Pays if it can; nobody asks again. */
const tryToPay = (payments: Readonly<Record<string, bigint>>): Step => ({
  what: `try to pay ${Object.keys(payments).join()}`,
  act: async (stage) => {
    await stage.pay(0, payments)
  }
})

const isRenewed = (stage: Stage, node: Node): boolean =>
  stage.channels(node).some(({ renews, status }) => renews !== undefined && status === 'open')

/** The closing transaction of the one channel opens the next one. */
const renew = (amount = 0n): Step => ({
  what: 'renew',
  act: async (stage) => {
    const { alice, world } = stage
    const old = stage
      .channels(alice)
      .find(({ status, renews }) => status === 'open' && renews === undefined)
    const renewing =
      old === undefined
        ? Promise.resolve()
        : alice.engine.renew(old.id, {
            amount: satoshi(amount),
            blocks: blockDelta(120),
            wait: 'ready'
          })
    renewing.catch(() => {})
    await quiet()
    await world.mine()
    await renewing
  },
  done: (stage) => [stage.alice, stage.bob].every((node) => isRenewed(stage, node))
})

/** On the channel that is open, whichever it is. */
const payOn = (payments: Readonly<Record<string, bigint>>): Step => ({
  ...pay(payments),
  act: async (stage) => {
    await stage.pay(
      stage.channels(stage.alice).findIndex(({ status }) => status === 'open'),
      payments
    )
  }
})

const ended = (stage: Stage): boolean =>
  [stage.alice, stage.bob].every((node) =>
    stage.channels(node).every(({ spend }) => spend !== undefined)
  )

const close = (who: 'alice' | 'bob', force = false): Step => ({
  what: `close by ${who}`,
  act: async (stage) => {
    await Promise.all(
      stage.channels(stage[who]).map(async ({ id }) => await stage[who].engine.close(id, force))
    )
  },
  // Who asked and was not answered asks again; if all else fails, the heights end the channel.
  done: async (stage) => {
    if (!ended(stage)) await stage.world.mine()
    return ended(stage)
  }
})

const once = (what: string, act: (stage: Stage) => Promise<unknown>): Step => ({ what, act })

const mine = (blocks: number): Step =>
  once(`mine ${blocks}`, async ({ world }) => {
    await world.mine(blocks)
  })

/** Lets the stream break at the next message of a type, and pays across the break. */
const cutWhile = (
  who: 'alice' | 'bob',
  type: Message['type'],
  payments: Readonly<Record<string, bigint>>
): Step => ({
  ...pay(payments),
  what: `pay while the ${type} of ${who} is lost`,
  act: async (stage) => {
    if ((await stage.alice.payments()).every(({ memo }) => !(memo in payments))) {
      stage.world.cutAt(stage[who], type)
    }
    await stage.pay(0, payments)
  }
})

const reorg = (depth: number): Step =>
  once(`reorganisation of ${depth}`, async ({ world }) => {
    world.reorg(depth, depth + 1)
    await quiet()
    await world.mine()
  })

/** A process is gone for so many blocks. */
const away = (who: 'alice' | 'bob', blocks: number): Step =>
  once(`${who} is away for ${blocks} blocks`, async (stage) => {
    stage[who].crash()
    await stage.world.mine(blocks)
  })

/** What a client sends, changed on its way out. */
function lying(change: (message: Message) => Message): (peers: Peers) => Peers {
  const link = (inner: Link): Link => ({
    peer: inner.peer,
    address: inner.address,
    send: (message) => {
      inner.send(change(message))
    },
    close: () => {
      inner.close()
    }
  })
  return (peers) => ({
    self: peers.self,
    open: async (peer, listener) =>
      link(await peers.open(peer, (inner): LinkListener => listener(link(inner)))),
    onIncoming: (accept) => peers.onIncoming((inner) => accept(link(inner)))
  })
}

const FEW = { tea: 5_000n, cake: 20_000n, tip: 700n }
const MANY = Object.fromEntries(
  Array.from({ length: 50 }, (_, n) => [`drop ${n}`, 600n + BigInt(n)])
)
const HALF = satoshi(200_000n)

/** The feerate that a node estimates from the next block on. */
const estimate = (who: (stage: Stage) => Node, rate: bigint): Step =>
  once(`an estimate of ${rate}`, async (stage) => {
    who(stage).view.feeRate = feeRate(rate)
    await stage.world.mine()
  })

const cutOpening = once('an opening that breaks', async ({ alice, bob, world }) => {
  world.cutAt(bob, 'RefundSignature')
  await alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' })
})

/** The server gives the opening up after a minute. */
const mended = once('the line is mended', async ({ alice, bob, world }) => {
  world.mend(alice, bob)
  await world.pass(61_000)
})

const cancelledOpening = once('cancel', async ({ alice, bob, world }) => {
  bob.life.holdDisk()
  const opening = alice.engine.open({
    peer: 'bob',
    capacity: CAPACITY,
    blocks: BLOCKS,
    wait: 'ready'
  })
  opening.catch(() => {})
  await quiet()
  await alice.close()
  bob.life.releaseDisk()
  await world.pass(61_000)
})

const copied = once('a copy is made', async (stage) => {
  stage.copy = stage.bob.store.snapshot()
  await quiet()
})

/** What was paid after the copy may be forgotten: that is what a restore costs. */
const restored = once('the copy is restored', async (stage) => {
  stage.acknowledged.delete('late')
  await stage.restart(stage.bob, stage.copy)
  await stage.world.pass(2_000)
})

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'open from an outside wallet, pay, close by the client',
    steps: [openFromOutside, pay(FEW), close('alice')],
    arrives: FEW,
    brings: CAPACITY,
    shows: [
      /T1 may be signed now/,
      /signed by the outside wallet/,
      /cooperative close .* is in block/
    ]
  },
  {
    name: 'open, pay one by one, close by the client',
    steps: [
      open(),
      ...Object.entries(FEW).map(([memo, amount]) => pay({ [memo]: amount })),
      close('alice')
    ],
    arrives: FEW,
    shows: [/cooperative close .* is in block/]
  },
  {
    name: 'pay many at once, close by the server',
    steps: [open(), pay(MANY), close('bob')],
    arrives: MANY,
    shows: [/cooperative close .* is in block/]
  },
  {
    name: 'both sides pay, in three turns, and close',
    steps: [
      openTwoWay,
      pay({ tea: 5_000n, cake: 20_000n }),
      payBack({ change: 4_000n }),
      pay({ tip: 700n }),
      close('bob')
    ],
    arrives: { tea: 5_000n, cake: 20_000n, tip: 700n },
    returns: { change: 4_000n },
    shows: [/turn 2/, /cooperative close .* is in block/]
  },
  {
    name: 'both sides pay, and the one that was paid last publishes its state when it matures',
    steps: [
      openTwoWay,
      pay({ cake: 20_000n }),
      payBack({ change: 4_000n }),
      away('bob', BLOCKS - 4)
    ],
    arrives: { cake: 20_000n },
    returns: { change: 4_000n },
    shows: [/settlement .* is in block/]
  },
  {
    name: 'a renewal, paid on before and after',
    steps: [open(), pay({ tea: 5_000n }), renew(), payOn({ cake: 20_000n }), close('alice')],
    arrives: { tea: 5_000n, cake: 20_000n },
    shows: [/renewed as channel/, /cooperative close .* is in block/]
  },
  {
    name: 'a top-up of a two-way channel',
    steps: [
      openTwoWay,
      pay({ tea: 5_000n }),
      renew(100_000n),
      payOn({ cake: 20_000n }),
      close('bob')
    ],
    arrives: { tea: 5_000n, cake: 20_000n },
    shows: [/renewed as channel/, /cooperative close .* is in block/]
  },
  {
    name: 'several channels, paid on at the same time',
    steps: [
      open(1, HALF),
      mine(1),
      open(2, HALF),
      {
        ...pay({ left: 7_000n, right: 9_000n }),
        act: async (stage) => {
          await Promise.all([stage.pay(0, { left: 7_000n }), stage.pay(1, { right: 9_000n })])
        }
      },
      close('alice')
    ],
    arrives: { left: 7_000n, right: 9_000n },
    shows: [/cooperative close .* is in block/]
  },
  {
    name: 'a payment with a name, split over two channels and asked for until it is made',
    steps: [
      open(1, HALF),
      mine(1),
      open(2, HALF),
      payOnce('rent', 300_000n),
      payOnce('rent', 300_000n),
      payOnce('tea', 5_000n),
      close('bob')
    ],
    arrives: { rent: 300_000n, tea: 5_000n },
    shows: [/cooperative close .* is in block/]
  },
  {
    name: 'a close that is refused, and asked for again',
    steps: [
      open(),
      pay(FEW),
      estimate(({ bob }) => bob, 4_000n),
      once('close, refused', async ({ alice }) => {
        await alice.close()
      }),
      estimate(({ bob }) => bob, 1_000n),
      close('alice')
    ],
    arrives: FEW,
    shows: [/ERR_CLOSE_FEE_TOO_LOW/, /cooperative close .* is in block/]
  },
  {
    name: 'a settlement by the server, and the payout of the client',
    steps: [open(), pay(FEW), close('bob', true), mine(3)],
    arrives: FEW,
    shows: [/settlement .* is in block/]
  },
  {
    name: 'a settlement by height, while the client is away',
    steps: [open(), pay(FEW), away('alice', BLOCKS - 30)],
    arrives: FEW,
    shows: [/settlement .* is in block/]
  },
  {
    name: 'a refund by height, while the server is away',
    steps: [open(), away('bob', BLOCKS + 2)],
    arrives: {},
    shows: [/refund .* is in block/]
  },
  {
    name: 'a peer that breaks a rule',
    alice: {
      peers: lying((message) =>
        message.type === 'Update' && message.payments.some(({ memo }) => memo === 'false')
          ? { ...message, payerBalance: message.payerBalance + 1n }
          : message
      )
    },
    steps: [open(), pay(FEW), tryToPay({ false: 1_000n }), mine(2)],
    arrives: FEW,
    mayArrive: { false: 1_000n },
    shows: [/^ERR_BALANCE_MISMATCH$/, /settlement .* is in block/]
  },
  {
    name: 'streams that break under an update, and under its acknowledgement',
    steps: [
      open(),
      cutWhile('alice', 'Update', { one: 1_000n, two: 2_000n }),
      cutWhile('bob', 'UpdateAck', { three: 3_000n }),
      pay({ four: 4_000n }),
      close('alice')
    ],
    arrives: { one: 1_000n, two: 2_000n, three: 3_000n, four: 4_000n },
    shows: [/reconnected/, /cooperative close .* is in block/]
  },
  {
    name: 'reorganisations under the funding, the payments and the close',
    steps: [
      open(),
      reorg(1),
      open(),
      pay({ tea: 5_000n }),
      reorg(2),
      open(),
      pay({ cake: 20_000n }),
      close('bob'),
      mine(1),
      reorg(2),
      mine(2)
    ],
    arrives: { tea: 5_000n, cake: 20_000n },
    shows: [/^ERR_FUNDING_REORGED$/, /cooperative close .* is in block/]
  },
  {
    name: 'a reorganisation under a settlement',
    steps: [open(), pay(FEW), close('bob', true), mine(2), reorg(2), mine(2)],
    arrives: FEW,
    shows: [/settlement .* is in block/]
  },
  {
    name: 'an opening that is cut off, and another',
    steps: [cutOpening, mended, open(), pay(FEW), close('alice')],
    arrives: FEW,
    shows: [/abandoned/, /cooperative close .* is in block/]
  },
  {
    name: 'an opening that is cancelled by its user',
    steps: [cancelledOpening, open(), pay(FEW), close('bob')],
    arrives: FEW,
    shows: [/cancelled by its user/, /cooperative close .* is in block/]
  },
  {
    name: 'a payee that is restored from an old copy',
    steps: [open(), pay(FEW), copied, pay({ late: 3_000n }), restored, mine(2)],
    arrives: FEW,
    mayArrive: { late: 3_000n },
    shows: [/^ERR_STATE_FORGOTTEN$/, /(settlement|close) .* is in block/]
  }
]
