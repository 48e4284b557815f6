/**
 * What the tests of `Reestablish` share: what is said, copies of disks, and how a channel ends that
 * only closes.
 */
import assert from 'node:assert/strict'
import type { Reestablish } from '../../protocols/paychan/1.0/index.js'
import type { Role } from '../../src/bitcoin/keys.js'
import { stateDigest } from '../../src/channel/signing.js'
import { fromHex } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { reestablishOf } from '../protocols/reestablish.js'
import { effectsOf } from './asserts.js'
import type { Side } from './side.js'
import { World } from './world.js'

/** Open, 10,000 sat paid by update 1. */
export const paid = (): World => new World().open().paid(10_000n)

/** The balance, and the client's signature over the state that leaves it so much. */
export function stateOf(
  world: World,
  payerBalance: bigint
): Pick<Reestablish, 'payerBalance' | 'signature'> {
  return {
    payerBalance,
    signature: world.client.channelKey.sign(
      stateDigest(world.client.established, satoshi(payerBalance))
    )
  }
}

/** What the other side of `side` says of itself after `paid()`, with changes. Epochs fit. */
export function says(
  world: World,
  side: Side,
  changes: Partial<Reestablish> = {}
): { type: 'message'; message: Reestablish } {
  const { terms, id, epochs } = side.established
  const ids = { channelId: fromHex(id), derivation: terms.derivation }
  const sequence = changes.sequence ?? 1
  const list = side.role === 'client' ? { paymentsAfter: sequence } : { signed: sequence }
  return {
    type: 'message',
    message: reestablishOf({
      ...ids,
      sequence,
      ...stateOf(world, 90_000n),
      ...list,
      epoch: epochs.theirs + 1,
      peerEpoch: epochs.ours,
      ...changes
    })
  }
}

/**
 * The channel only closes from now on: the peer is told so, the stream stays, and nothing is
 * published.
 */
export function assertCloseOnly(side: Side, code: string): void {
  const { stopped, publication, link } = side.established
  assert.deepEqual([stopped?.rule, stopped?.code, stopped?.settleNow], ['REEST-4', code, false])
  assert.deepEqual([publication, link, side.info.status], [undefined, 'live', 'stopped'])
}

/** Both sides are back, with everything said; the server publishes nothing before its time. */
export function bothCloseOnly(world: World): void {
  for (const side of [world.client, world.server]) {
    assert.deepEqual(
      [side.established.stopped?.rule, side.established.link, side.info.status],
      ['REEST-4', 'live', 'stopped'],
      side.role
    )
  }
  world.pay(1n)
  world.run()
  assert.equal(
    effectsOf(world.client.effects, 'payment-refused').at(-1)?.error.code,
    'ERR_CHANNEL_STOPPED'
  )
}

/** A cooperative close of either side gives the server this, and the client the rest. */
export function closesWith(world: World, asker: Role, server: bigint): void {
  world[asker].post({ type: 'close' })
  world.run().mine()
  const { client: toClient, server: toServer, fee } = world.payouts()
  const owed = { client: world.capacity - server, server }
  owed[asker] -= fee
  assert.deepEqual({ client: toClient, server: toServer }, owed)
  assert.equal(world.client.info.spend?.kind, 'close')
}

/** What is on the disk of a side; `goBack` puts it there again. */
export function copyOf(world: World, role: Role): { goBack: () => World } {
  const side = world[role]
  const { channel, log } = side
  return {
    goBack: () => {
      world.disconnect()
      side.channel = channel
      side.log = [...log]
      return world.restart(role)
    }
  }
}
