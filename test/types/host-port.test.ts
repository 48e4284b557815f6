/** A host and a port, as people write them. */
import assert from 'node:assert/strict'
import { readHostPort } from '../../src/types/amount.js'

describe('types / HOST:PORT', () => {
  it('is read, with brackets around an IPv6 address or without', () => {
    for (const [text, host, port] of [
      ['127.0.0.1:9803', '127.0.0.1', 9_803],
      ['[::1]:0', '::1', 0],
      ['::1:65535', '::1', 65_535],
      ['example.com:443', 'example.com', 443]
    ] as const) {
      assert.deepEqual(readHostPort(text), { host, port }, text)
    }
  })

  it('is neither without a port, nor one that no machine has', () => {
    for (const text of ['', 'x', ':80', '[]:80', 'x:', 'x:65536', 'x:123456', 'x:8o']) {
      assert.equal(readHostPort(text), undefined, text)
    }
  })
})
