/** A person with an outside wallet: has T1 funded, and signed, whatever happens in between. */
import { scriptFromAddress } from '../../src/bitcoin/address.js'
import { bytesOfText } from '../../src/bitcoin/psbt.js'
import type { ChannelInfo } from '../../src/channel/summary.js'
import { satoshi } from '../../src/types/units.js'
import { OutsideWallet } from '../outside-wallet.js'
import type { Step } from './stage.js'
import { BLOCKS, CAPACITY, quiet, type Node, type World } from './world.js'
import { toHex } from '../../src/types/bytes.js'

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
