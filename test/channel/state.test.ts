import assert from 'node:assert/strict'
import type { ClientChannel, ServerChannel } from '../../src/channel/state.js'
import { World } from './world.js'

describe('channel / state', () => {
  it('a side has no field of the other one, and the types let nobody ask for it', () => {
    const { client, server } = new World().open()
    const [ours, theirs]: [ClientChannel, ServerChannel] = [client.established, server.established]
    // @ts-expect-error only a server sees T1 accepted by itself
    assert.equal(ours.fundingAccepted, undefined)
    // @ts-expect-error only a client hears that the server has T1
    assert.equal(theirs.fundingAcknowledged, undefined)
    // @ts-expect-error only a client has T2's signature from its peer
    assert.equal(theirs.refundSignature, undefined)
    // @ts-expect-error only a client has a T1 of an outside wallet
    assert.equal(theirs.outside, undefined)
    // @ts-expect-error only a client waits for the server's signature of T1
    assert.equal(theirs.renewal, undefined)
    // @ts-expect-error only a client renews
    assert.equal(theirs.renewFor, undefined)
    for (const field of ['renewFor', 'patience', 'outside', 'renewal', 'refundSignature']) {
      assert.ok(!(field in theirs), `a server's record has no place for ${field}`)
    }
  })
})
