/** A person with an outside wallet: has T1 funded, and signed, in steps, whatever comes between. */
import assert from 'node:assert/strict'
import { scriptFromAddress } from '../../src/bitcoin/address.js'
import { bytesOfText } from '../../src/bitcoin/psbt.js'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import type { ChannelInfo } from '../../src/channel/summary.js'
import { toHex } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { OutsideWallet } from '../outside-wallet.js'
import type { Step } from './stage.js'
import {
  beforeFunding,
  BLOCKS,
  CAPACITY,
  codeFrom,
  type Node,
  type NodeSetup,
  quiet,
  soon,
  twoNodes,
  type World
} from './world.js'

export const outsideWallet = new OutsideWallet()

/** A coin of the outside wallet, in a block. */
export async function outsideCoin(world: World): Promise<void> {
  world.chain.fund(outsideWallet.script, satoshi(800_000n))
  await world.mine()
}

/** The PSBT that a channel asks for, funded and not signed. */
export function fundedFor(world: World, { outside }: ChannelInfo, fee = 1_000n): Uint8Array {
  const coins = world.chain
    .unspent(toHex(outsideWallet.script))
    .filter(({ height }) => height !== undefined)
    .slice(0, 1)
  const script = scriptFromAddress(outside?.address ?? '', 'regtest')
  return outsideWallet
    .fund(
      coins.map(({ outPoint, value }) => ({ ...outPoint, value: BigInt(value) })),
      [{ script, amount: CAPACITY }],
      { fee }
    )
    .toPSBT(0)
}

/** Asks for a channel that an outside wallet is to fund. */
export async function askOutside(alice: Node): Promise<ChannelInfo> {
  return await alice.engine.open({
    peer: 'bob',
    capacity: CAPACITY,
    blocks: BLOCKS,
    wait: 'ready',
    outside: true
  })
}

/** Goes on from wherever the last attempt has ended, as the command line does. */
export const openFromOutside: Step = {
  what: 'open from an outside wallet',
  act: async (stage) => {
    const { alice, world } = stage
    if (
      world.chain.unspent(toHex(outsideWallet.script)).length === 0 &&
      stage.channels(alice).length === 0
    ) {
      await outsideCoin(world)
    }
    const known = alice.engine.channels().find(({ status }) => status !== 'abandoned')
    const { id } = known ?? (await askOutside(alice))
    if (alice.engine.describe(id).outside?.needs === 'inputs') {
      await alice.engine.fundingPsbt(id, fundedFor(world, alice.engine.describe(id)), 'broadcast')
    }
    const { outside } = alice.engine.describe(id)
    if (outside !== undefined) {
      await alice.engine.fundingPsbt(
        id,
        outsideWallet.sign(bytesOfText(outside.psbt)).toPSBT(0),
        'broadcast'
      )
    }
    await quiet()
    await world.mine()
  },
  done: (stage) =>
    [stage.alice, stage.bob].every((node) =>
      stage.channels(node).some(({ status }) => status === 'open')
    )
}

/** A client without a coin of its own, beside a person with an outside wallet. */
async function nodes(client: NodeSetup = {}): Promise<{ world: World; alice: Node; bob: Node }> {
  const made = await twoNodes({ coin: 0n, ...client })
  await outsideCoin(made.world)
  return made
}

const fund = async (
  alice: Node,
  psbt = fundedFor(alice.world, alice.channel)
): Promise<readonly string[]> => await alice.engine.fundingPsbt(alice.channel.id, psbt, 'broadcast')

async function sign(alice: Node, wait: 'broadcast' | 'ready' = 'broadcast'): Promise<void> {
  await alice.engine.fundingPsbt(
    alice.channel.id,
    outsideWallet.sign(bytesOfText(alice.channel.outside?.psbt ?? '')).toPSBT(0),
    wait
  )
}

describe('engine / T1 of an outside wallet', () => {
  it('waits for a PSBT, has T2 signed, waits for the signature, and opens; our wallet is never asked (REF-7)', async () => {
    const { world, alice, bob } = await nodes()
    let built = 0
    beforeFunding(alice, () => {
      built++
    })
    assert.equal((await askOutside(alice)).outside?.needs, 'inputs')
    await fund(alice)
    assert.deepEqual(
      [alice.channel.outside?.needs, world.broadcasts(alice), world.said(alice, 'Funding')],
      ['signatures', [], []]
    )
    const signing = sign(alice, 'ready')
    await quiet()
    await world.mine()
    await signing
    assert.deepEqual([alice.channel.status, bob.channel.status, built], ['open', 'open', 0])
    await alice.pay(1_000n)
  })

  it('goes on after a restart at each of its steps, on either side', async () => {
    for (const who of ['alice', 'bob'] as const) {
      for (const moment of ['funded', 'signed', 'mined'] as const) {
        const { world, alice, bob } = await nodes()
        const node = who === 'alice' ? alice : bob
        await askOutside(alice)
        await fund(alice)
        if (moment === 'funded') await node.restart()
        await sign(alice)
        if (moment === 'signed') await node.restart()
        await world.mine()
        if (moment === 'mined') await node.restart()
        await world.pass(2_000)
        assert.equal(alice.channel.status, 'open', `${who} ${moment}`)
        await alice.pay(1_000n)
      }
    }
  })

  it('is over with a restart before T2 is signed: nothing was, and one begins again', async () => {
    const { alice } = await nodes()
    await askOutside(alice)
    await alice.restart()
    assert.equal(alice.channel.status, 'abandoned')
    assert.equal(await codeFrom(fund(alice, new Uint8Array(1))), 'ERR_PEER_UNREACHABLE')
  })

  it('shows nobody what to sign as long as T2 is not on disk, and takes no signature (REF-7)', async () => {
    const { world, alice, bob } = await nodes()
    await askOutside(alice)
    const psbt = fundedFor(world, alice.channel)
    const funding = fund(alice, psbt)
    await soon(
      () => world.said(bob, 'RefundSignature').length > 0,
      () => {
        alice.life.holdDisk()
      }
    )
    await quiet()
    assert.deepEqual([alice.life.waitingCommits, alice.channel.outside], [1, undefined])
    const early = alice.engine.fundingPsbt(
      alice.channel.id,
      outsideWallet.sign(psbt).toPSBT(0),
      'broadcast'
    )
    await quiet()
    assert.deepEqual(world.broadcasts(alice), [])
    alice.life.releaseDisk()
    await Promise.all([funding, early])
    assert.equal(world.broadcasts(alice).length > 0, true)
  })

  it('waits ten minutes for the PSBT, and its server one more (OPEN-9)', async () => {
    const { world, alice, bob } = await nodes()
    await askOutside(alice)
    await world.pass(599_000)
    assert.deepEqual([alice.channel.status, bob.channel.status], ['opening', 'opening'])
    await world.cut(alice, bob)
    await world.pass(1_000)
    assert.equal(alice.channel.status, 'abandoned')
  })

  it('refuses a PSBT, and takes a better one', async () => {
    const { world, alice } = await nodes()
    await askOutside(alice)
    assert.equal(await codeFrom(fund(alice, new Uint8Array(9))), 'ERR_PSBT_MALFORMED')
    assert.equal(await codeFrom(fund(alice, fundedFor(world, alice.channel, -1n))), 'ERR_PSBT_FEE')
    assert.deepEqual(world.said(alice, 'RefundRequest'), [])
    await fund(alice)
    assert.equal(
      await codeFrom(fund(alice, bytesOfText(alice.channel.outside?.psbt ?? ''))),
      'ERR_PSBT_NOT_SIGNED'
    )
    await sign(alice)
    await world.mine()
    assert.equal(alice.channel.status, 'open')
  })

  it('has one refund signed when two PSBTs are brought at once, and says for which', async () => {
    const { world, alice } = await nodes()
    await askOutside(alice)
    const psbts = [fundedFor(world, alice.channel), fundedFor(world, alice.channel, 2_000n)]
    const outcomes = await Promise.all(
      psbts.map(
        async (psbt) =>
          await fund(alice, psbt).then(
            () => 'taken',
            (error: unknown) => (error instanceof PaychanError ? error.code : error)
          )
      )
    )
    assert.deepEqual(outcomes, ['taken', 'ERR_PSBT_SUPERSEDED'])
    assert.equal(world.said(alice, 'RefundRequest').length, 1)
  })

  it('tells at once when no mempool takes T1, and waits for a better one', async () => {
    let refuses = true
    const { world, alice } = await nodes({
      chain: (chain) => ({
        ...chain,
        get status() {
          return chain.status
        },
        get tip() {
          return chain.tip
        },
        broadcast: async (raw) => {
          if (refuses) {
            throw new PaychanError('ERR_BROADCAST_REFUSED', 'refused', { kind: 'missing-inputs' })
          }
          return await chain.broadcast(raw)
        }
      })
    })
    await askOutside(alice)
    await fund(alice)
    assert.equal(await codeFrom(sign(alice)), 'ERR_BROADCAST_REFUSED')
    assert.equal(alice.channel.outside?.needs, 'signatures')
    refuses = false
    await sign(alice)
    await world.mine()
    assert.equal(alice.channel.status, 'open')
  })

  it('is given up by its user, watched all the same, and dialled no more', async () => {
    const { world, alice, bob } = await nodes()
    await askOutside(alice)
    await fund(alice)
    assert.equal((await alice.close()).kind, 'abandoned')
    await quiet()
    assert.deepEqual(
      [alice.channel.status, bob.engine.channels(), alice.life.watching],
      ['abandoned', [], 1]
    )
    await world.pass(100_000)
    assert.deepEqual(world.said(alice, 'Reestablish'), [])
    await alice.restart()
    assert.equal(alice.life.watching, 1)
  })

  it('whose fee the outside wallet raises: an alarm names both transactions, and the refund is still there (FUND-5)', async () => {
    const { world, alice } = await nodes()
    await askOutside(alice)
    const bumped = outsideWallet.sign(fundedFor(world, alice.channel, 9_000n))
    await fund(alice)
    await sign(alice)
    world.chain.broadcast(parseTransaction(bumped.extract()))
    await quiet()
    const heard = (): number =>
      alice.alarms.filter((code) => code === 'ERR_PAID_WITHOUT_REFUND').length
    assert.equal(heard(), 1)
    await world.mine()
    assert.deepEqual([heard(), alice.channel.status], [2, 'confirming'])
  })

  it('cannot be bumped by us (FUND-5)', async () => {
    const { alice } = await nodes()
    await askOutside(alice)
    await fund(alice)
    await sign(alice)
    assert.equal(
      await codeFrom(alice.engine.bump(alice.channel.funding?.txid ?? '', feeRate(9_000n))),
      'ERR_CANNOT_BUMP'
    )
  })
})
