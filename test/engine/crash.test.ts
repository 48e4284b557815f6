/**
 * The same story, open - pay - close, told once for every write of either side: the process dies
 * right before that write, or right after it and before anything that follows from it. It is
 * started again from its disk, and the chain goes on until everything is settled.
 */
import assert from 'node:assert/strict'
import { faultOfSpend } from '../channel/keys.js'
import { fundingOutput } from '../../src/channel/terms.js'
import type { Established } from '../../src/channel/state.js'
import { decodeRecord } from '../../src/engine/records.js'
import { BLOCKS, CAPACITY, quiet, twoNodes, type Node, type World } from './world.js'

const COIN = 1_000_000n
const PAYMENTS = [5_000n, 20_000n, 700n]
/** All fees of T1, T3 or T2 with its bids, or a close, at 1 to 3 sat/vB. */
const FEES = 2_000n

interface Outcome { readonly acknowledged: bigint, readonly attempted: bigint }

/** Mines until no channel is left that the chain has not settled. */
async function untilSettled (world: World, nodes: readonly Node[]): Promise<void> {
  const settled = (node: Node): boolean => node.engine.channels().every(({ status }) => status === 'closed' || status === 'abandoned')
  for (let n = 0; n < BLOCKS + 20; n++) {
    if (nodes.every(settled) && world.chain.mempool.length === 0) return
    await world.mine()
    await world.pass(2_000)
  }
  assert.fail(`not settled: ${nodes.map((node) => `${node.name} ${node.engine.channels().map(({ status }) => status).join()}`).join('; ')}`)
}

/** In peace, or by the server alone, with a payout that the client has to sweep. */
type Ending = 'close' | 'settlement'

/** Open, pay three times, end. Stops early when somebody is dead; tells what was acknowledged. */
async function story (world: World, alice: Node, bob: Node, ending: Ending): Promise<Outcome> {
  let acknowledged = 0n
  let attempted = 0n
  const done = (async (): Promise<void> => {
    const opening = alice.engine.open({ peer: 'bob', capacity: CAPACITY, blocks: BLOCKS, wait: 'ready' })
    opening.catch(() => {}) // it may fail while we mine
    await quiet()
    await world.mine()
    await opening
    for (const amount of PAYMENTS) {
      attempted += amount
      await alice.pay(amount)
      acknowledged += amount
    }
    if (ending === 'close') await alice.close()
    else await bob.close(true)
    await world.mine()
  })().catch(() => {})
  await Promise.race([done, stuck(world)])
  return { get acknowledged () { return acknowledged }, get attempted () { return attempted } }
}

/** Nothing happens any more: somebody is dead, and the other one waits. */
async function stuck (world: World): Promise<void> {
  let before = -1
  for (let still = 0; still < 4;) {
    await quiet()
    still = world.left.length === before ? still + 1 : 0
    before = world.left.length
  }
}

/** Every spend of a funding output carries two valid signatures. */
function spendsAreValid (node: Node): void {
  for (const [key, value] of node.store.snapshot()) {
    if (!key.startsWith('channel/')) continue
    const channel = decodeRecord<Established>(key, value)
    if (channel.stage !== 'established' || channel.onChain.spend === undefined) continue
    assert.equal(faultOfSpend(channel.onChain.spend.raw, fundingOutput(channel.terms, channel.outPoint)), undefined)
  }
}

async function tell (who: 'alice' | 'bob', moment: 'before' | 'after', write: number, back: 'at once' | 'later', ending: Ending): Promise<boolean> {
  const { world, alice, bob } = await twoNodes({ coin: COIN })
  const victim = who === 'alice' ? alice : bob
  const first = victim.commits
  let died = false
  victim.crashAt = (now, commit) => {
    const strikes = now === moment && commit === first + write
    died ||= strikes
    return strikes
  }
  const outcome = await story(world, alice, bob, ending)
  if (died) {
    // A few blocks pass while it is away; the server is back well before the settlement height.
    if (back === 'later') await world.mine(5)
    await victim.restart()
  }
  await world.pass(60_000)
  await untilSettled(world, [alice, bob])

  spendsAreValid(alice)
  spendsAreValid(bob)
  const [client, server] = [alice.wallet.balance, bob.wallet.balance]
  const label = `${client} + ${server}, acknowledged ${outcome.acknowledged} of ${outcome.attempted}`
  assert.ok(server >= outcome.acknowledged - FEES, `what was acknowledged is missing: ${label}`)
  assert.ok(client >= COIN - outcome.attempted - FEES, `the client lost more than it paid: ${label}`)
  assert.ok(server <= outcome.attempted && client <= COIN && client + server > COIN - FEES, `money came from nowhere, or went: ${label}`)
  assert.deepEqual(alice.wallet.reservedFor.filter((id) => alice.engine.describe(id).status === 'abandoned'), [], 'coins stay reserved')
  return died
}

describe('engine / crash', function () {
  this.timeout(60_000)

  const stories: ReadonlyArray<readonly ['alice' | 'bob', 'before' | 'after', Ending]> = [
    ['alice', 'before', 'close'],
    ['alice', 'after', 'close'],
    ['bob', 'before', 'close'],
    ['bob', 'after', 'close'],
    ['alice', 'after', 'settlement'],
    ['bob', 'after', 'settlement']
  ]
  for (const [who, moment, ending] of stories) {
    it(`of ${who === 'alice' ? 'the client' : 'the server'} ${moment} each of its writes, up to the ${ending}: nobody loses more than fees, nothing acknowledged is missing`, async () => {
      let writes = 0
      while (await tell(who, moment, writes + 1, writes % 2 === 0 ? 'at once' : 'later', ending)) writes += 1
      assert.ok(writes >= 8, `${writes} writes`)
    })
  }
})
