import assert from 'node:assert/strict'
import { plainWords, protocolWords } from '../../src/cli/channel-words.js'
import { NEWS, type FactUnit } from '../../src/channel/news.js'
import type { News } from '../../src/node/api.js'
import { channelId, txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { CHANNEL, FUNDING } from '../daemon/fake-node.js'

const VALUES = {
  sat: satoshi(1_234n),
  height: blockHeight(130),
  number: 2,
  text: 'settlement',
  channel: CHANNEL
} satisfies Record<FactUnit, unknown>

/** One of each kind. */
const ALL = Object.entries(NEWS).map(
  ([kind, facts]) =>
    ({
      kind,
      ...Object.fromEntries(
        Object.entries<FactUnit>(facts).map(([fact, unit]) => [fact, VALUES[unit]])
      )
    }) as unknown as News
)

describe('the words for what happens to a channel', () => {
  it('are those of its users, whatever it is', () => {
    assert.ok(ALL.length > 30)
    for (const news of ALL) {
      assert.doesNotMatch(
        plainWords({ news, txid: FUNDING }),
        /\b[TK]\d\b|\b(the \w+) \1\b|undefined|\[object/,
        news.kind
      )
    }
  })

  it("are the protocol's own when they are asked for", () => {
    for (const news of ALL) {
      assert.doesNotMatch(protocolWords({ news, txid: FUNDING }), /undefined|\[object/, news.kind)
    }
    const mined: News = { kind: 'spend-mined', transaction: 'refund', height: blockHeight(1) }
    const id = txid('ab'.repeat(32))
    assert.deepEqual(
      [plainWords({ news: mined, txid: id }), protocolWords({ news: mined, txid: id })],
      [`the refund ${id} is in block 1`, `the refund T2 ${id} is in block 1`]
    )
    assert.equal(
      protocolWords({ news: { kind: 'renewed-as', channel: channelId('cd'.repeat(32)) } }),
      'renewed as channel cdcdcdcd; this one takes no more payments'
    )
  })
})
