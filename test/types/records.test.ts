/** Records byte for byte: what this release writes today, it and later ones read. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { channelChanges, readChannel } from '../../src/engine/stored-channel.js'
import { openSimStore } from '../../src/testing/disk.js'
import { fromHex, toHex } from '../../src/types/bytes.js'
import { decodeRecord, encodeRecord } from '../../src/types/records.js'
import { checkRecord } from '../../src/wallet/loading.js'

/** `{"$sat":"5"}` stands for an amount, `{"$hex":"00ff"}` for bytes. */
interface Vector {
  readonly key: string
  readonly value: unknown
  readonly record: string
}

const VECTORS = JSON.parse(readFileSync('test/vectors/records.json', 'utf8'), (_key, part) =>
  revived(part)
) as readonly Vector[]

function revived(part: unknown): unknown {
  if (typeof part !== 'object' || part === null) return part
  if ('$sat' in part) return BigInt(String(part.$sat))
  if ('$hex' in part) return fromHex(String(part.$hex))
  return part
}

describe('records / vectors', () => {
  for (const { key, value, record } of VECTORS) {
    it(`${key.slice(0, 40)} is written and read as ever`, () => {
      assert.equal(toHex(encodeRecord(key, value)), record)
      assert.deepEqual(decodeRecord(key, fromHex(record)), value)
    })
  }

  for (const { key, record } of VECTORS.filter((each) => each.key.startsWith('channel/'))) {
    it(`${key.slice(0, 40)} is a channel that is written as it was read`, async () => {
      const store = openSimStore(
        new Map(
          [...VECTORS.filter((each) => each.key.startsWith('ledger/')), { key, record }].map(
            (each) => [each.key, fromHex(each.record)]
          )
        )
      )
      const channel = await readChannel(store, key, fromHex(record))
      const [written] = channelChanges(undefined, channel)
      assert.equal(toHex(written?.value ?? assert.fail()), record)
    })
  }

  it('are of every kind that a reader knows: a channel with its ledger, and each of the wallet', async () => {
    const store = openSimStore(new Map(VECTORS.map(({ key, record }) => [key, fromHex(record)])))
    const kinds = new Set<string>()
    for await (const [key, value] of store.entries('')) {
      if (key.startsWith('wallet/')) checkRecord(key, value)
      if (key.startsWith('channel/')) await readChannel(store, key, value)
      kinds.add(
        key
          .split('/')
          .slice(0, key.startsWith('wallet/') ? 2 : 1)
          .join('/')
      )
    }
    assert.deepEqual(
      [...kinds].sort(),
      [
        ...['chain', 'channel', 'known', 'ledger', 'node', 'paid', 'paid-name', 'payment'],
        ...[
          ...['abandoned', 'branch', 'claim', 'gap', 'label', 'locked', 'made', 'outgoing'],
          'reservation'
        ].map((kind) => `wallet/${kind}`)
      ].sort()
    )
  })
})

describe('records / checksums and names', () => {
  it('cover the whole key, whatever was written before it, of any length', () => {
    const value = {
      ['n'.repeat(127)]: 127,
      ['n'.repeat(128)]: 128,
      ['n'.repeat(20_000)]: [16_383, 16_384]
    }
    for (const key of ['k', 'k'.repeat(700), 'kk', `${'k'.repeat(699)}l`, 'l']) {
      const record = encodeRecord(key, value)
      assert.deepEqual(decodeRecord(key, record), value)
      // Another last letter, one letter more, one letter less.
      for (const other of [`${key.slice(1)}m`, `${key}k`, key.slice(1)]) {
        assert.throws(() => decodeRecord(other, record), { code: 'ERR_STORE_CORRUPT' })
      }
    }
  })
})
