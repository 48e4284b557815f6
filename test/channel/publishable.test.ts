/** Which channels `settle --all` takes. */
import assert from 'node:assert/strict'
import { isWorthSettling } from '../../src/channel/publishable.js'
import type { Channel, Established, ShownSpend, SignedClose } from '../../src/channel/state.js'
import { txid } from '../../src/types/bytes.js'
import { feeRate, satoshi } from '../../src/types/units.js'
import { World } from './world.js'

const RATE = feeRate(1_000n)
const CLOSE: SignedClose = {
  asker: 'client',
  fee: satoshi(400n),
  txid: txid('ef'.repeat(32)),
  signature: new Uint8Array(64),
  raw: undefined
}
const SHOWN: ShownSpend = {
  kind: 'unknown',
  turn: undefined,
  txid: txid('ab'.repeat(32)),
  raw: new Uint8Array(10),
  clientBalance: undefined,
  height: undefined,
  shownBy: 1,
  fee: satoshi(500n),
  vsize: 170,
  lock: 0
}

describe('channel / publishable', () => {
  const paid = (): World => new World().open().paid(40_000n)

  it('a server settles a one-way channel that is worth its fee, and that nothing ends yet', () => {
    const { server } = paid()
    assert.equal(isWorthSettling(server.established, RATE), true)
    assert.equal(
      isWorthSettling(server.established, feeRate(400_000n)),
      false,
      'not for 72,400 sat'
    )
  })

  const others: ReadonlyArray<readonly [string, (channel: Established) => Channel]> = [
    ['whose close is signed', (channel) => ({ ...channel, closes: [CLOSE] })],
    [
      'whose T1 is in no block',
      (channel) => ({ ...channel, onChain: { ...channel.onChain, fundingHeight: undefined } })
    ],
    [
      'that a spend is shown of',
      (channel) => ({ ...channel, onChain: { ...channel.onChain, shown: [SHOWN] } })
    ],
    ['of two ways', (channel) => ({ ...channel, terms: { ...channel.terms, mode: 'two-way' } })]
  ]
  for (const [which, changed] of others) {
    it(`not one ${which}`, () => {
      assert.equal(isWorthSettling(changed(paid().server.established), RATE), false)
    })
  }

  it('not one that is being settled, and none as its client', () => {
    const { server } = paid()
    server.post({ type: 'settle' })
    assert.equal(server.established.publication?.kind, 'settlement')
    assert.equal(
      isWorthSettling(
        { ...server.established, onChain: { ...server.established.onChain, shown: [] } },
        RATE
      ),
      false
    )
    assert.equal(isWorthSettling(paid().client.established, RATE), false)
  })
})
