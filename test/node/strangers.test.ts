/**
 * Whole nodes against peers that cost nothing: what they leave behind, and what the words still
 * bring back.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Message, OpenChannel } from '../../protocols/paychan/1.0/index.js'
import { unsignedRefund } from '../../src/bitcoin/refund.js'
import { refundTemplateOf } from '../../src/channel/opening-client.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import type { Link } from '../../src/engine/ports.js'
import { STORE_DIRECTORY } from '../../src/node/layout.js'
import { restoreData } from '../../src/node/restore.js'
import { openLevelStore } from '../../src/store/level.js'
import { txid } from '../../src/types/bytes.js'
import { satoshi } from '../../src/types/units.js'
import { createTestSigner } from '../wallet/test-root.js'
import { startHost } from '../p2p/hosts.js'
import { Fixture } from './fixture.js'

const CAPACITY = 100_000n

/**
 * A PeerId that nobody knows; each opening of it takes a stream and ends as soon as it has what it
 * wants.
 */
async function stranger(
  address: string,
  height: number,
  openings: number,
  upTo: 'AcceptChannel' | 'RefundSignature'
): Promise<number> {
  const node = await startHost({ onError: () => {} })
  let reached = 0
  for (let n = 0; n < openings; n++) {
    const signer = createTestSigner(randomBytes(16).toString('hex'))
    const path = { role: 'client', high: 1, low: n } as const
    const offer: OpenChannel = {
      type: 'OpenChannel',
      network: 'regtest',
      channelKey: signer.publicKey({ ...path, use: 'channel' }),
      payoutKey: signer.publicKey({ ...path, use: 'payout' }),
      closeScript: Uint8Array.from([0, 20, ...randomBytes(20)]),
      capacity: CAPACITY,
      refundHeight: height + 1_000,
      mode: 'one-way',
      step: 0,
      txVersion: 3,
      derivation: Uint8Array.from([0, 0, 0, 1, 0, 0, 0, n])
    }
    const last = await new Promise<Message | undefined>((resolve) => {
      const heard =
        (link: Link) =>
        (message: Message): void => {
          if (message.type === 'AcceptChannel' && upTo === 'RefundSignature') {
            const template = refundTemplateOf(termsOf(offer, message), {
              txid: txid(randomBytes(32).toString('hex')),
              vout: 0
            })
            link.send({
              type: 'RefundRequest',
              refundTx: unsignedRefund(template, {
                script: offer.closeScript,
                value: satoshi(CAPACITY - 1_000n)
              })
            })
            return
          }
          link.close()
          resolve(message)
        }
      node.services.peers
        .open(address, (link) => ({
          onMessage: heard(link),
          onClosed: () => {
            resolve(undefined)
          }
        }))
        .then(
          (link) => {
            link.send(offer)
          },
          () => {
            resolve(undefined)
          }
        )
    })
    if (last?.type === upTo) reached += 1
  }
  await node.stop()
  return reached
}

/** The records of a stopped node. */
async function recordsOf(data: string): Promise<Array<readonly [string, Uint8Array]>> {
  const store = await openLevelStore(join(data, STORE_DIRECTORY))
  const records: Array<readonly [string, Uint8Array]> = []
  for await (const entry of store.entries('')) records.push(entry)
  await store.close()
  return records
}

describe('node / strangers', () => {
  it('who have refunds signed and fund nothing move no address: the words bring back the coins', async () => {
    const f = await Fixture.create({ autoMine: false })
    try {
      const bob = await f.node('bob')
      const address = await bob.address()
      let signed = 0
      // More than the gap of BIP44 in all.
      for (let n = 0; n < 3; n++) {
        signed += await stranger(address, f.devnet.height, 10, 'RefundSignature')
      }
      assert.equal(signed, 30)
      assert.deepEqual((await bob.api.info()).addresses, { receive: 0, change: 0, close: 0 })
      const own = await bob.api.address()
      await f.devnet.fund(own, satoshi(1_000_000n))
      await f.devnet.mine(1)
      await bob.sees(async () => (await bob.api.balance()).confirmed === 1_000_000n)
      await bob.api.stop()
      const words = (await readFile(join(f.path('bob'), 'seed'), 'utf8')).trim()
      await restoreData(f.path('restored'), { words, passphrase: undefined, gap: 5 })
      const restored = await f.node('restored', { create: false })
      await restored.sees(async () => (await restored.api.balance()).confirmed === 1_000_000n)
    } finally {
      await f.end()
    }
  })

  it('who offer channels and hang up leave nothing on the disk, and nothing in the list', async () => {
    const f = await Fixture.create({ autoMine: false })
    try {
      const bob = await f.node('bob')
      const address = await bob.address()
      let taken = 0
      for (let n = 0; n < 3; n++) {
        taken += await stranger(address, f.devnet.height, 10, 'AcceptChannel')
      }
      assert.equal(taken, 30)
      await bob.sees(async () => (await bob.api.channels()).length === 0)
      await bob.api.stop()
      assert.deepEqual(
        (await recordsOf(f.path('bob'))).filter(([key]) => /^(channel|known|ledger)\//.test(key)),
        []
      )
    } finally {
      await f.end()
    }
  })

  it('cannot have more refunds signed, with as many PeerIds as they like, than the node has room for', async () => {
    const f = await Fixture.create({ autoMine: false })
    try {
      const bob = await f.node('bob', { policy: { maxUnfundedInAll: 8 } })
      const address = await bob.address()
      let signed = 0
      for (let n = 0; n < 4; n++) {
        signed += await stranger(address, f.devnet.height, 4, 'RefundSignature')
      }
      assert.equal(signed, 8)
      assert.equal((await bob.api.channels()).length, 8)
    } finally {
      await f.end()
    }
  })
})
