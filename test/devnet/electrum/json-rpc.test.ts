import assert from 'node:assert/strict'
import fc from 'fast-check'
import { concat, fromString } from 'uint8arrays'
import {
  ErrorCode,
  LineSplitter,
  MAX_BATCH,
  parseLine
} from '../../../src/devnet/electrum/json-rpc.js'

/** What a line is read as, in short. */
function read(line: string): unknown[] {
  return parseLine(line).members.map((member) =>
    member.kind === 'invalid'
      ? member.error.code
      : member.kind === 'request'
        ? member.request
        : member.kind
  )
}

describe('devnet / electrum / json-rpc', () => {
  it('reads a request, with and without params', () => {
    assert.deepEqual(read('{"id":1,"method":"a","params":[2]}'), [
      { id: 1, method: 'a', params: [2] }
    ])
    assert.deepEqual(read('{"id":"x","method":"a"}'), [{ id: 'x', method: 'a', params: [] }])
    assert.deepEqual(read('{"id":null,"method":"a","params":{"b":1}}'), [
      { id: null, method: 'a', params: { b: 1 } }
    ])
  })

  it('reads a notification, which has no id', () => {
    assert.deepEqual(read('{"method":"a"}'), ['notification'])
  })

  it('reads a batch', () => {
    assert.equal(parseLine('[{"id":1,"method":"a"}]').batch, true)
    assert.deepEqual(read('[{"id":1,"method":"a"},7,{"method":"b"}]'), [
      { id: 1, method: 'a', params: [] },
      ErrorCode.invalidRequest,
      'notification'
    ])
  })

  it('refuses what is no JSON', () => {
    for (const line of ['', '{', 'GET / HTTP/1.1', '\ufffd']) {
      assert.deepEqual(read(line), [ErrorCode.parse])
    }
  })

  it('refuses what is no request', () => {
    const lines = [
      '1',
      'null',
      '"a"',
      '{}',
      '{"id":1}',
      '{"id":{},"method":"a"}',
      '{"id":1,"method":2}',
      '{"id":1,"method":"a","params":3}',
      '[]'
    ]
    for (const line of lines) assert.deepEqual(read(line), [ErrorCode.invalidRequest], line)
  })

  it('refuses a batch that is too long', () => {
    assert.deepEqual(read(JSON.stringify(Array.from({ length: MAX_BATCH + 1 }, () => 1))), [
      ErrorCode.invalidRequest
    ])
  })

  it('never throws, whatever the line', () => {
    const almost = fc
      .record(
        { id: fc.anything(), method: fc.anything(), params: fc.anything() },
        { requiredKeys: [] }
      )
      .map((value) => String(JSON.stringify(value)))
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), almost), (line) => {
        for (const member of parseLine(line).members) {
          assert.ok(['request', 'notification', 'invalid'].includes(member.kind))
        }
      }),
      { numRuns: 500 }
    )
  })
})

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
