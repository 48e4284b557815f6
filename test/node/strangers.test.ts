/** What a stranger without a coin says to a node. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import { termsOf } from '../../src/channel/opening-terms.js'
import { txidFromHash } from '../../src/types/bytes.js'
import { Recorder } from '../chain/helpers.js'
import { startHost } from '../p2p/hosts.js'
import { madeUpT1, offerBy, refundRequest } from '../strangers.js'
import { createTestSigner } from '../wallet/fixtures.js'
import { Fixture } from './fixture.js'

describe('node / a stranger', () => {
  it('that speaks of a disk that has failed stops no node (ERR-6)', async () => {
    const fixture = await Fixture.create()
    const bob = await fixture.node('bob')
    const host = await startHost({ onError: () => {} })
    try {
      const signer = createTestSigner('a stranger')
      const offer = offerBy(signer, 1, {
        closeHash: randomBytes(20),
        capacity: 100_000n,
        refundHeight: fixture.devnet.height + 1_000
      })
      const heard = new Recorder<Message>()
      const link = await host.services.peers.open(await bob.address(), () => ({
        onMessage: (message) => {
          heard.push(message)
        },
        onClosed: () => {}
      }))
      link.send(offer)
      const accept = await heard.when(({ type }) => type === 'AcceptChannel')
      assert.ok(accept.type === 'AcceptChannel')
      const terms = termsOf(offer, accept)
      const t1 = madeUpT1(terms, randomBytes(32))
      link.send(refundRequest(terms, offer, { txid: txidFromHash(t1.getHash()), vout: 0 }))
      await heard.when(({ type }) => type === 'RefundSignature')
      link.send({ type: 'Funding', fundingTx: Uint8Array.from(t1.toBuffer()) })
      // No mempool takes it: that is the end of what the chain has to do with this.
      await heard.when(({ type }) => type === 'Error')
      const text = 'good night'
      link.send({ type: 'Error', code: 'ERR_STORE_FAILED', rule: '', text, fatal: true })
      const alarm = await bob.events.when(
        (event) => event.type === 'alarm' && event.text.includes(text)
      )
      assert.ok(alarm.type === 'alarm')
      assert.deepEqual(
        [alarm.code, alarm.facts['peerCode']],
        ['ERR_PEER_STOPPED', 'ERR_STORE_FAILED']
      )
      assert.equal((await bob.api.info()).chain.status, 'synced', 'the node goes on')
    } finally {
      await host.stop()
      await fixture.end()
    }
  })
})
