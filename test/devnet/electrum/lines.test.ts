import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concat, fromString } from 'uint8arrays'
import { LineSplitter } from '../../../src/devnet/electrum/json-rpc.js'

describe('devnet / electrum / lines', () => {
  it('gives the same lines however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }).filter((line) => !line.includes('\n'))),
        fc.array(fc.nat(50)),
        (lines, cuts) => {
          const bytes = concat(lines.map((line) => fromString(`${line}\n`)))
          const splitter = new LineSplitter(10_000)
          const read: string[] = []
          let at = 0
          for (const cut of [...cuts, bytes.length]) {
            read.push(...(splitter.push(bytes.subarray(at, at + cut)) ?? []))
            at += cut
          }
          assert.deepEqual(read, lines)
        }
      )
    )
  })

  it('accepts a line of the limit and gives up on one byte more, newline or not', () => {
    assert.deepEqual(new LineSplitter(5).push(fromString('12345\n')), ['12345'])
    assert.equal(new LineSplitter(5).push(fromString('123456')), undefined)
    assert.equal(new LineSplitter(5).push(fromString('123456\n')), undefined)
    const slow = new LineSplitter(5)
    assert.deepEqual(slow.push(fromString('123')), [])
    assert.equal(slow.push(fromString('456')), undefined)
  })

  it('does not throw at bytes that are no UTF-8', () => {
    assert.deepEqual(new LineSplitter(5).push(Uint8Array.of(0xff, 0xfe, 0x0a)), ['\ufffd\ufffd'])
  })
})
