/**
 * Nodes that have lost their disk and are given their channels back by their peers: RESTORE-1 to
 * RESTORE-7, through engines.
 */
import assert from 'node:assert/strict'
import type { ChannelRecord, Message } from '../../protocols/paychan/1.0/index.js'
import type { Channel } from '../../src/channel/state.js'
import { fundingScriptOf } from '../../src/channel/terms.js'
import {
  isVacant,
  KEPT_AFTER_L,
  KEPT_MS,
  letUnprovenGo,
  mayMakeRoom
} from '../../src/channel/funding.js'
import type { EngineContext } from '../../src/engine/context.js'
import type { ScriptWatch } from '../../src/engine/ports.js'
import { MOST_WAITING, QUESTION_MS, Restores, restoredChange } from '../../src/engine/restores.js'
import { openSimStore, type Snapshot } from '../../src/testing/disk.js'
import { channelId, toHex } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockDelta, blockHeight } from '../../src/types/units.js'
import { reestablishOf } from '../protocols/reestablish.js'
import { idOf, RawPeer, Stranger } from './raw-peer.js'
import { CAPACITY, codeFrom, quiet, twoNodes, World, type Node } from './world.js'

const COIN = 1_000_000n

/** A disk on which there is nothing. */
function emptyDisk(): Snapshot {
  return openSimStore().snapshot()
}

/** A disk as `paychan restore` leaves it. */
async function restoredDisk(): Promise<Snapshot> {
  const store = openSimStore()
  await store.commit([restoredChange()])
  return store.snapshot()
}

async function opened(): Promise<{ world: World; alice: Node; bob: Node }> {
  const nodes = await twoNodes()
  await nodes.world.open(nodes.alice, nodes.bob)
  await nodes.alice.pay(20_000n)
  return nodes
}

/**
 * L 300 blocks away, turns 20 apart. In turn 0 alice has paid 40,000 sat, in turn 1 bob 15,000 sat,
 * in turn 2 alice 1,000 sat.
 */
async function inTurn(turn: 0 | 1 | 2): Promise<{ world: World; alice: Node; bob: Node }> {
  const nodes = await twoNodes()
  const opening = nodes.alice.engine.open({
    peer: 'bob',
    capacity: CAPACITY,
    blocks: blockDelta(300),
    step: blockDelta(20),
    wait: 'ready'
  })
  await quiet()
  await nodes.world.mine()
  await opening
  await nodes.alice.pay(40_000n)
  if (turn > 0) await nodes.bob.pay(15_000n)
  if (turn > 1) await nodes.alice.pay(1_000n)
  return nodes
}

function byId(a: ChannelRecord, b: ChannelRecord): number {
  return idOf(a.open) < idOf(b.open) ? -1 : 1
}

const BOB_HAS = { 0: 40_000n, 1: 25_000n, 2: 26_000n } as const

/** The node comes back with nothing but its words, and meets its peer. */
async function lose(world: World, node: Node): Promise<void> {
  await node.restart(emptyDisk())
  if (node.name === 'alice') await node.engine.recover('bob')
  for (let second = 0; second < 5; second++) await world.pass(1_000)
}

/** A cooperative close; fees are at most 2,000 sat. */
async function closeAndCount(
  world: World,
  asker: Node,
  alice: Node,
  bob: Node,
  paid: bigint
): Promise<void> {
  await asker.close()
  await world.mine()
  assertPaid(alice, bob, paid)
}

function assertPaid(alice: Node, bob: Node, paid: bigint): void {
  const [left, received] = [alice.balance, bob.balance]
  assert.ok(received <= paid && received > paid - 2_000n, `${received} sat of ${paid} sat`)
  assert.ok(left <= COIN - paid && left > COIN - paid - 2_000n, `${left} sat of ${COIN - paid} sat`)
}

describe('engine / a client that has lost its disk', () => {
  it('looks for its close script far beyond what it has searched, once the keys are proved (RESTORE-4)', async () => {
    const { alice, bob } = await opened()
    const far = { isSearched: false }
    const recognise = alice.wallet.recognise.bind(alice.wallet)
    alice.wallet.recognise = async (script, isProven) => {
      far.isSearched ||= isProven === true
      return await recognise(script, isProven)
    }
    await alice.restart(emptyDisk())
    const { restored } = await alice.engine.recover('bob')
    assert.deepEqual([restored, far.isSearched], [[bob.channel.id], true])
  })

  it('asks its server, and has the channel back, which only closes (RESTORE-6)', async () => {
    const { world, alice, bob } = await opened()
    await alice.restart(emptyDisk())
    assert.deepEqual(alice.engine.channels(), [])
    const { peer, restored, known, refused } = await alice.engine.recover('bob')
    assert.deepEqual([peer, restored, known, refused], ['bob', [bob.channel.id], 0, []])
    for (let second = 0; second < 3; second++) await world.pass(1_000)
    assert.deepEqual(
      [alice.channel.status, alice.channel.ourBalance],
      ['stopped', CAPACITY - 20_000n]
    )
    assert.deepEqual([bob.channel.status, bob.channel.ourBalance], ['stopped', 20_000n])
    assert.equal(await codeFrom(alice.pay(1_000n)), 'ERR_CHANNEL_STOPPED')
    await closeAndCount(world, alice, alice, bob, 20_000n)
  })

  it('has the refund back: when the server is gone afterwards, T2 is published at L (RESTORE-5, REF-7)', async () => {
    const { world, alice, bob } = await opened()
    await lose(world, alice)
    const { refundHeight } = alice.channel
    bob.crash()
    await world.mineTo(refundHeight + 1)
    assert.equal(alice.channel.spend?.kind, 'refund')
    assert.ok(alice.balance > COIN - 2_000n)
  })
})

describe('engine / a server that has lost its disk', () => {
  it('is given the channel back by the client, who dials as ever (REEST-1, RESTORE-1)', async () => {
    const { world, alice, bob } = await opened()
    await lose(world, bob)
    assert.deepEqual(
      [bob.channel.status, bob.channel.ourBalance, bob.channel.role],
      ['stopped', 20_000n, 'server']
    )
    assert.equal(alice.channel.status, 'stopped')
    await closeAndCount(world, bob, alice, bob, 20_000n)
  })

  it('settles by itself with what it was given back when the client is gone (TIME-1)', async () => {
    const { world, alice, bob } = await opened()
    await lose(world, bob)
    alice.crash()
    await world.mineTo((bob.channel.settleHeight ?? 0) + 1)
    assert.equal(bob.channel.spend?.kind, 'settlement')
    assert.ok(bob.balance > 19_000n, `${bob.balance} sat`)
  })
})

describe('engine / a two-way channel after a loss', () => {
  for (const turn of [0, 1, 2] as const) {
    for (const victim of ['alice', 'bob'] as const) {
      it(`in turn ${turn}, of ${victim === 'alice' ? 'the client' : 'the server'}: it closes in peace`, async () => {
        const nodes = await inTurn(turn)
        const { world, alice, bob } = nodes
        await lose(world, nodes[victim])
        assert.deepEqual(
          [nodes[victim].channel.turns?.number, bob.channel.ourBalance, alice.channel.ourBalance],
          [turn, BOB_HAS[turn], CAPACITY - BOB_HAS[turn]]
        )
        assert.deepEqual([alice.channel.status, bob.channel.status], ['stopped', 'stopped'])
        await closeAndCount(world, nodes[victim], alice, bob, BOB_HAS[turn])
      })

      it(`in turn ${turn}, of ${victim === 'alice' ? 'the client' : 'the server'}: the newest state reaches the chain without the other`, async () => {
        const nodes = await inTurn(turn)
        const { world, alice, bob } = nodes
        await lose(world, nodes[victim])
        const payee = turn === 1 ? alice : bob
        ;(payee === alice ? bob : alice).crash()
        await world.mineTo(alice.channel.refundHeight - (turn + 1) * 20 + 1)
        assert.equal(payee.channel.spend?.kind, 'settlement')
        const share = payee === alice ? CAPACITY - BOB_HAS[turn] : BOB_HAS[turn]
        const before = payee === alice ? COIN - CAPACITY : 0n
        assert.ok(payee.balance > before + share - 2_000n, `${payee.balance} sat`)
      })
    }
  }
})

describe('engine / a channel that was settled while its client had lost everything', () => {
  it('pays out through the record of the server, long after it is buried (RESTORE-3)', async () => {
    const { world, alice, bob } = await opened()
    alice.crash()
    await bob.close(true)
    await world.mine(20)
    assert.equal(bob.channel.status, 'closed')
    await alice.restart(emptyDisk())
    assert.deepEqual(alice.wallet.claims, [])
    await alice.engine.recover('bob')
    await quiet()
    assert.deepEqual(
      alice.wallet.claims.map(({ value }) => value),
      [CAPACITY - 20_000n]
    )
    assert.equal(alice.channel.status, 'closed')
  })

  it('is named for a while when it was closed in peace: nothing is left in it, and it says that payments are forgotten (RESTORE-9)', async () => {
    const { world, alice, bob } = await opened()
    await alice.close()
    await world.mine(10)
    await alice.restart(emptyDisk())
    assert.deepEqual((await alice.engine.recover('bob')).restored, [bob.channel.id])
    await quiet()
    assert.equal(alice.channel.status, 'closed')
    assert.deepEqual(alice.wallet.claims, [])
  })

  it('is not named to who has never paid on it, when it was closed in peace', async () => {
    const { world, alice, bob } = await opened()
    await alice.close()
    await world.mine(10)
    await bob.restart(emptyDisk())
    assert.deepEqual((await bob.engine.recover('alice')).restored, [])
  })
})

describe('engine / who is asked', () => {
  it('by a node made from its words: every peer that connects, until it has answered', async () => {
    const { world, alice, bob } = await opened()
    await alice.restart(await restoredDisk())
    await world.cut(alice, bob)
    alice.engine.peerConnected('bob')
    await quiet()
    assert.deepEqual(alice.engine.channels(), [])
    world.mend(alice, bob)
    await world.pass(1_000)
    assert.equal(alice.channel.ourBalance, CAPACITY - 20_000n)
    const asked = world.said(alice, 'RestoreRequest').length
    alice.engine.peerConnected('bob')
    await quiet()
    assert.equal(world.said(alice, 'RestoreRequest').length, asked)
  })

  it('a node that has all its channels and asks changes none of them, on neither side', async () => {
    const { alice, bob } = await opened()
    const { restored, known } = await alice.engine.recover('bob')
    assert.deepEqual([restored, known], [[], 1])
    await alice.pay(1_000n)
    assert.deepEqual(
      [alice.channel.status, bob.channel.status, bob.channel.ourBalance],
      ['open', 'open', 21_000n]
    )
  })

  it('a server signs the record of a state once, however often it is asked; a payment or a block makes another one (RESTORE-3)', async () => {
    const { world, alice, bob } = await inTurn(2)
    let signed = 0
    const { signerOf } = world
    world.signerOf = (name) => {
      const signer = signerOf.call(world, name)
      return {
        ...signer,
        sign: (path, digest) => {
          if (name === 'bob') signed += 1
          return signer.sign(path, digest)
        }
      }
    }
    await bob.restart()
    for (let second = 0; second < 5; second++) await world.pass(1_000)
    const toAnswer = async (): Promise<number> => {
      const before = signed
      for (let n = 0; n < 10; n++) await alice.engine.recover('bob')
      return signed - before
    }
    await toAnswer()
    assert.equal(await toAnswer(), 0)
    await alice.pay(1_000n)
    assert.equal(await toAnswer(), 2, 'T2, and the last state of turn 1')
    await world.mine()
    assert.equal(await toAnswer(), 2)
  })

  it('a channel that was given back is still there after a restart, and only closes', async () => {
    const { world, alice, bob } = await opened()
    await lose(world, alice)
    for (const node of [alice, bob]) await node.restart()
    for (let second = 0; second < 3; second++) await world.pass(1_000)
    assert.deepEqual([alice.channel.status, bob.channel.status], ['stopped', 'stopped'])
    await closeAndCount(world, bob, alice, bob, 20_000n)
  })

  it('both have lost their disks: there is nothing to be told', async () => {
    const { alice, bob } = await opened()
    for (const node of [alice, bob]) await node.restart(emptyDisk())
    assert.deepEqual(await alice.engine.recover('bob'), {
      peer: 'bob',
      restored: [],
      known: 0,
      refused: []
    })
  })
})

describe('engine / a peer that lies to a node which has lost its disk', () => {
  let silent = false

  /** Bob's engine has told alice what it knows; now somebody else with bob's name answers. */
  async function told(): Promise<{
    world: World
    alice: Node
    record: ChannelRecord
    older: ChannelRecord
    liar: (...answers: Message[]) => void
  }> {
    const { world, alice, bob } = await opened()
    const older = await recordOfBob(world, alice)
    await bob.restart()
    for (let second = 0; second < 5; second++) await world.pass(1_000)
    await alice.pay(30_000n)
    const record = await recordOfBob(world, alice)
    bob.crash()
    await alice.restart(emptyDisk())
    let answers: Message[] = []
    world.network.peer('mallory').onIncoming((link) => ({
      onMessage: (message) => {
        const answer =
          message.type === 'RestoreRequest' && !silent
            ? (answers.shift() ?? { type: 'RestoreDone' as const })
            : undefined
        if (answer !== undefined) link.send(answer)
      },
      onClosed: () => {}
    }))
    silent = false
    const liar = (...lies: Message[]): void => {
      answers = lies
    }
    return { world, alice, record, older, liar }
  }

  /** What bob tells somebody who asks in alice's name, while her own node looks on. */
  async function recordOfBob(world: World, alice: Node): Promise<ChannelRecord> {
    await alice.engine.recover('bob')
    const [record] = world.said(world.nodes[0] ?? alice, 'ChannelRecord').slice(-1)
    assert.ok(record?.type === 'ChannelRecord')
    return record
  }

  const refusalOf = async (alice: Node): Promise<readonly string[]> =>
    (await alice.engine.recover('mallory')).refused.map(({ code }) => code)

  it('an older state: it is taken, and what is lost is what it hides', async () => {
    const { alice, older, liar } = await told()
    liar(older)
    await alice.engine.recover('mallory')
    assert.equal(alice.channel.ourBalance, CAPACITY - 20_000n)
  })

  it('keys, signatures, a script or a channel of somebody else: refused, with an alarm where the keys are ours, and nothing is stored (RESTORE-4, RESTORE-5)', async () => {
    const { alice, record, liar } = await told()
    const wrong: Array<readonly [code: string, record: ChannelRecord]> = [
      [
        'ERR_NOT_OUR_CHANNEL',
        { ...record, open: { ...record.open, derivation: new Uint8Array(8) } }
      ],
      [
        'ERR_NOT_OUR_SCRIPT',
        { ...record, open: { ...record.open, closeScript: record.accept.closeScript } }
      ],
      [
        'ERR_BAD_SIGNATURE',
        {
          ...record,
          states: record.states.map((state) => ({
            ...state,
            signature: new Uint8Array(64).fill(1)
          }))
        }
      ],
      ['ERR_BAD_REFUND_SIGNATURE', { ...record, refundSignature: new Uint8Array(64).fill(1) }]
    ]
    for (const [code, lie] of wrong) {
      const before = alice.commits
      liar(lie)
      assert.deepEqual(await refusalOf(alice), [code])
      assert.deepEqual(
        [alice.engine.channels(), alice.commits, alice.alarms.at(-1)],
        [[], before, code === 'ERR_NOT_OUR_CHANNEL' ? undefined : code]
      )
    }
  })

  it('what is no answer, the same channel again, a refusal, or silence: the question ends (RESTORE-2)', async () => {
    const { world, alice, record, liar } = await told()
    liar({ type: 'ChannelReady' })
    assert.equal(await codeFrom(alice.engine.recover('mallory')), 'ERR_UNEXPECTED_MESSAGE')
    liar({ type: 'Error', code: 'ERR_NOT_READY', rule: '', text: 'Later.', fatal: false })
    assert.equal(await codeFrom(alice.engine.recover('mallory')), 'ERR_RESTORE_REFUSED')
    silent = true
    const asked = codeFrom(alice.engine.recover('mallory'))
    await quiet()
    await world.pass(30_000)
    assert.equal(await asked, 'ERR_RESTORE_TIMEOUT')
    silent = false
    liar(record, record)
    assert.equal(await codeFrom(alice.engine.recover('mallory')), 'ERR_OUT_OF_ORDER')
  })

  const floodOf = (record: ChannelRecord): ChannelRecord[] =>
    Array.from({ length: 50 }, (_, n) => ({
      ...record,
      open: { ...record.open, channelKey: Uint8Array.of(2, ...new Uint8Array(31).fill(7), n) }
    })).sort(byId)

  it('a flood of channels that are not ours: eight are looked at (RESTORE-7)', async () => {
    const { world, alice, record, liar } = await told()
    liar(...floodOf(record))
    assert.equal(await codeFrom(alice.engine.recover('mallory')), 'ERR_TOO_MANY_REFUSED')
    assert.equal(
      world.said(alice, 'RestoreRequest').filter(({ type }) => type === 'RestoreRequest').length,
      2 + 2 + 8
    )
  })

  it('a stranger that made the node ask for such a flood: no alarm for what is none of ours, and it is not asked again', async () => {
    const { world, alice } = await opened()
    const record = await recordOfBob(world, alice)
    const mallory = new RawPeer(world, 'mallory')
    await (
      await mallory.stream('alice')
    ).say(reestablishOf({ channelId: new Uint8Array(32).fill(1) }))
    for (const lie of floodOf({
      ...record,
      accept: { ...record.accept, derivation: new Uint8Array(8) }
    })) {
      await mallory.incoming[0]?.say(lie)
    }
    await world.pass(300_000)
    assert.deepEqual(
      [mallory.incoming.length, mallory.incoming[0]?.refusal?.code, alice.alarms],
      [1, 'ERR_TOO_MANY_REFUSED', []]
    )
  })

  /**
   * Bob is there again with nothing but his words, and is handed back, by one peer, more channels
   * than he has room for: 80 strangers have had T2 signed by him, and none has a T1.
   */
  async function flooded(): Promise<{
    world: World
    alice: Node
    bob: Node
    mallory: RawPeer
    records: ChannelRecord[]
    code: string
  }> {
    const { world, alice, bob } = await opened()
    const records: ChannelRecord[] = []
    for (let n = 0; n < 80; n++) {
      if (n === 40) await world.pass(200_000)
      records.push(await Stranger.withRecord(world, new RawPeer(world, `stranger ${n}`)))
    }
    records.sort(byId)
    await world.cut(alice, bob)
    await bob.restart(await restoredDisk())
    const mallory = new RawPeer(world, 'mallory')
    const asked = codeFrom(bob.engine.recover('mallory'))
    await handBack(world, mallory, records)
    return { world, alice, bob, mallory, records, code: await asked }
  }

  /** Each record is said once it is asked for. */
  async function handBack(
    world: World,
    peer: RawPeer,
    records: readonly ChannelRecord[]
  ): Promise<void> {
    await quiet()
    const stream = peer.incoming.at(-1)
    assert.ok(stream)
    for (const record of [...records, { type: 'RestoreDone' } as const]) {
      const requests = (): number =>
        stream.heard.filter(({ type }) => type === 'RestoreRequest').length
      const before = requests()
      await stream.say(record)
      // A look at a stranger's script has its turn every ten seconds (COST-4).
      for (let n = 0; n < 2 && requests() === before && !stream.closed; n++) {
        await world.pass(10_000)
      }
      if (stream.closed) return
    }
  }

  const handedBack = (bob: Node): number =>
    bob.engine.states().filter(({ peer }) => peer === 'mallory').length

  it('channels that nobody has funded: as many are taken as strangers may have open, and one with money in it is taken all the same (RESTORE-7, COST-4)', async () => {
    const { world, alice, bob, code } = await flooded()
    assert.deepEqual([code, handedBack(bob), bob.alarms], ['ERR_TOO_MANY_REFUSED', 64, []])
    assert.equal(bob.life.watching, 64)
    world.mend(alice, bob)
    for (let n = 0; n < 6; n++) await world.pass(10_000)
    await world.mine()
    const { id } = alice.channel
    assert.deepEqual(
      [handedBack(bob), bob.engine.describe(id).ourBalance, bob.life.watching],
      [64, 20_000n, 65]
    )
    await bob.restart()
    assert.equal(bob.life.watching, 65)
  })

  it('one for which there was no room, and whose T1 may yet come: the peer is asked again when it speaks of it (RESTORE-7)', async () => {
    const { world, bob, records } = await flooded()
    const client = new RawPeer(world, 'client')
    const asked = bob.engine.recover('client')
    await handBack(world, client, records.slice(-2))
    assert.deepEqual(
      (await asked).refused.map(({ code }) => code),
      ['ERR_TOO_MANY_CHANNELS', 'ERR_TOO_MANY_CHANNELS']
    )
    const stream = await client.stream('bob')
    await stream.say(reestablishOf({ channelId: new Uint8Array(32).fill(1) }))
    assert.equal(client.incoming.length, 2)
  })

  it('a T1 that the first server to answer leaves out: absence takes the word of all (RESTORE-7, EVID-6)', async () => {
    const { world, alice, bob } = await flooded()
    const { view } = bob
    const watchReally = view.watchScript.bind(view)
    const [state = assert.fail()] = alice.engine.states()
    assert.ok(state.stage === 'established')
    const funding = toHex(fundingScriptOf(state.terms))
    const honest: Array<() => void> = []
    view.watchScript = (script, watcher) => {
      if (toHex(script) !== funding) return watchReally(script, watcher)
      let real: ScriptWatch | undefined
      honest.push(() => {
        real ??= watchReally(script, watcher)
      })
      queueMicrotask(() => {
        watcher.onHistory([])
      })
      return {
        ready: Promise.resolve(),
        isCurrent: true,
        get isToldByAll() {
          return real !== undefined
        },
        stop: () => real?.stop()
      }
    }
    world.mend(alice, bob)
    while (honest.length === 0) await world.pass(1_000)
    for (const tell of honest) tell()
    for (let n = 0; n < 6; n++) await world.pass(10_000)
    await world.mine()
    assert.equal(bob.engine.describe(alice.channel.id).ourBalance, 20_000n)
  })

  it('while no server tells whether a channel was funded, it is neither taken nor refused: the question is asked again', async () => {
    const { world, alice, bob } = await flooded()
    bob.view.setStatus('down')
    world.mend(alice, bob)
    const asked = codeFrom(bob.engine.recover('alice'))
    for (let n = 0; n < 6; n++) await world.pass(10_000)
    assert.equal(await asked, 'ERR_CHAIN_UNAVAILABLE')
    bob.view.setStatus('synced')
    for (let n = 0; n < 12; n++) await world.pass(10_000)
    assert.equal(bob.engine.describe(alice.channel.id).ourBalance, 20_000n)
  })

  it('one that nobody has funded goes a day of blocks after L, and not before a day has passed; it is not taken again (RESTORE-7)', async () => {
    const { world, bob, mallory, records } = await flooded()
    const last = Math.max(...records.map(({ open }) => open.refundHeight))
    await world.mineTo(last + KEPT_AFTER_L)
    assert.equal(handedBack(bob), 64, 'the blocks may have come at once')
    await world.pass(KEPT_MS)
    await world.mine()
    assert.deepEqual([handedBack(bob), bob.life.watching], [0, 0])
    await bob.restart()
    const asked = bob.engine.recover('mallory')
    await handBack(world, mallory, records.slice(0, 1))
    const { known, restored } = await asked
    assert.deepEqual([known, restored, handedBack(bob)], [1, [], 0])
  })

  it('one with a T1 that was in a block stays, whatever the height; so does one whose T1 a mempool has (RESTORE-7)', async () => {
    const { world, alice, bob } = await flooded()
    const [made] = bob.engine.states().filter(({ peer }) => peer === 'mallory')
    assert.ok(made?.stage === 'established')
    const height = blockHeight(made.terms.refundHeight + KEPT_AFTER_L)
    const now = made.openedAt + KEPT_MS
    const refundSignature = new Uint8Array(64)
    const stays = (state: Channel, at = height, time = now): boolean =>
      letUnprovenGo(state, { height: at, now: time }).state === state
    assert.deepEqual(
      [
        stays(made),
        stays(made, blockHeight(height - 1)),
        stays(made, height, now - 1),
        stays({ ...made, onChain: { ...made.onChain, fundingSeen: true } }),
        stays({ ...made, reorged: true }),
        stays({ ...made, restored: undefined }),
        stays({ ...made, role: 'client', fundingAcknowledged: true, refundSignature })
      ],
      [false, true, true, true, true, true, true]
    )
    world.mend(alice, bob)
    for (let n = 0; n < 6; n++) await world.pass(10_000)
    await world.mine()
    const real = bob.engine.states().find(({ peer }) => peer === 'alice')
    assert.ok(real !== undefined && stays(real))
    // It is watched behind those with money in them, and makes no room for others (OPEN-11).
    assert.deepEqual([made, real].map(isVacant), [true, false])
    assert.deepEqual([made, real].map(mayMakeRoom), [false, false])
  })

  /** A peer has T2 signed for channels that it never funds. They are in the order of their ids. */
  async function promised(world: World, mallory: RawPeer, count: number): Promise<ChannelRecord[]> {
    const records: ChannelRecord[] = []
    for (let n = 0; n < count; n++) records.push(await Stranger.withRecord(world, mallory))
    return records.sort(byId)
  }

  it('an answer in time to each request, for ever: the whole question has a clock (RESTORE-7, WIRE-12)', async () => {
    const { world, bob } = await twoNodes()
    const mallory = new RawPeer(world, 'mallory')
    const records = await promised(world, mallory, 15)
    const asked = codeFrom(bob.engine.recover('mallory'))
    await quiet()
    const stream = mallory.incoming.at(-1)
    assert.ok(stream)
    let answers = 0
    for (; answers < records.length && !stream.closed; answers++) {
      await world.pass(29_000)
      await stream.say(...records.slice(answers, answers + 1))
    }
    assert.deepEqual([stream.closed, await asked], [true, 'ERR_RESTORE_TIMEOUT'])
    assert.equal(answers, Math.ceil(QUESTION_MS / 29_000))
  })

  it('channels of others, which strangers can name: they count as made up (RESTORE-7)', async () => {
    const { world, bob } = await twoNodes()
    const records = await promised(world, new RawPeer(world, 'mallory'), 9)
    const accomplice = new RawPeer(world, 'accomplice')
    const asked = codeFrom(bob.engine.recover('accomplice'))
    await quiet()
    for (const record of records) await accomplice.incoming[0]?.say(record)
    assert.equal(await asked, 'ERR_TOO_MANY_REFUSED')
  })

  it('two hundred that answer as slowly as they may: the honest peer behind them is asked at once (RESTORE-7)', async () => {
    const { world, alice, bob } = await opened()
    const records = await promised(world, new RawPeer(world, 'opener'), 2)
    await world.cut(alice, bob)
    await bob.restart(await restoredDisk())
    const strangers = Array.from({ length: 200 }, (_, n) => new RawPeer(world, `stranger ${n}`))
    for (const { name } of strangers) bob.engine.peerConnected(name)
    await world.pass(29_000)
    for (const { incoming } of strangers) await incoming[0]?.say(...records.slice(0, 1))
    world.mend(alice, bob)
    bob.engine.peerConnected('alice')
    await quiet()
    assert.equal(bob.channel.ourBalance, 20_000n)
    // All that it took of them is a stream.
    assert.deepEqual(
      new Set(strangers.map(({ incoming }) => incoming.map(({ closed }) => closed).join())),
      new Set(['false'])
    )
  })

  it('strangers that cannot be reached: the peer of a channel is dialled before all of them, and one that comes is asked at once (RESTORE-7)', async () => {
    const world = new World()
    const dialled: string[] = []
    const dials: Array<() => void> = []
    const unreachable = new PaychanError('ERR_PEER_UNREACHABLE', 'The dial has failed.')
    let hangs = false
    const alice = await world.node('alice', {
      coin: COIN,
      peers: (peers) => ({
        self: peers.self,
        onIncoming: (accept) => peers.onIncoming(accept),
        open: async (peer, listener) => {
          dialled.push(peer)
          if (!peer.startsWith('stranger')) return await peers.open(peer, listener)
          if (!hangs) throw unreachable
          return await new Promise((_resolve, reject) => {
            dials.push(() => {
              reject(unreachable)
            })
          })
        }
      })
    })
    const bob = await world.node('bob', { coin: 0n })
    await world.open(alice, bob)
    await alice.close()
    await world.mine()
    await world.cut(alice, bob)
    await alice.restart()
    const strangers = Array.from({ length: 100 }, (_, n) => new RawPeer(world, `stranger ${n}`))
    const speaks = async (stranger: RawPeer): Promise<void> => {
      const stream = await stranger.stream('alice')
      await stream.say(reestablishOf({ channelId: new Uint8Array(32).fill(1) }))
    }
    for (const stranger of strangers) await speaks(stranger)
    hangs = true
    await world.pass(1_000)
    await world.pass(1_000)
    assert.equal(dials.length, 16)
    dialled.length = 0
    dials[0]?.()
    await quiet()
    assert.equal(dialled[0], 'bob')
    // One that waits in the line need not be dialled any more when it is here.
    for (const stranger of strangers.slice(-1)) await speaks(stranger)
    assert.equal(dialled.at(-1), 'stranger 99')
  })

  it('a node that has the channel is never made to change it by what anybody says (RESTORE-4)', async () => {
    const { world, alice } = await opened()
    const older = await recordOfBob(world, alice)
    await alice.pay(30_000n)
    world.network.peer('mallory').onIncoming((link) => ({
      onMessage: () => {
        link.send(link.peer === 'alice' ? older : { type: 'RestoreDone' })
      },
      onClosed: () => {}
    }))
    const copied = { ...older, open: { ...older.open, channelKey: older.accept.channelKey } }
    assert.equal(await codeFrom(alice.engine.recover('mallory')), 'ERR_OUT_OF_ORDER')
    world.network.peer('mallory2').onIncoming((link) => ({
      onMessage: () => {
        link.send(copied)
      },
      onClosed: () => {}
    }))
    assert.equal(await codeFrom(alice.engine.recover('mallory2')), 'ERR_OUT_OF_ORDER')
    assert.deepEqual(
      [alice.channel.status, alice.channel.ourBalance, alice.engine.channels().length],
      ['open', CAPACITY - 50_000n, 1]
    )
  })
})

describe('engine / restores / of strangers', () => {
  it('who speak of channels that nobody knows and are gone again, few wait to be asked, however many names they have (RESTORE-7)', async () => {
    const asked = new Map<string, number>()
    let timers = 0
    const context = {
      clock: {
        now: () => 0,
        after: () => {
          timers++
          return () => timers--
        }
      },
      peers: {
        self: 'bob',
        open: async (peer: string) => {
          asked.set(peer, (asked.get(peer) ?? 0) + 1)
          await quiet()
          throw new Error('nobody is there')
        }
      },
      actors: { has: () => false, channelsOf: () => [] },
      registry: { isReserved: () => false },
      alarm: () => {}
    } as unknown as EngineContext
    const bounds = { strangers: { wantsProof: false }, share: { awaitWatch: () => undefined } }
    const restores = new Restores(context, bounds)
    for (let n = 0; n < 3 * MOST_WAITING; n++) {
      restores.observe(`stranger ${n}`, channelId(n.toString(16).padStart(64, '0')))
    }
    let before = -1
    while (before < asked.size) {
      before = asked.size
      await quiet()
    }
    assert.ok([...asked.values()].every((times) => times === 1))
    assert.ok(timers <= MOST_WAITING + 16, `${timers} are to be asked again`)
    restores.stopAll()
  })
})
