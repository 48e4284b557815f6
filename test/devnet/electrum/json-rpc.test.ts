import assert from 'node:assert/strict'
import fc from 'fast-check'
import { ErrorCode, MAX_BATCH, parseLine } from '../../../src/devnet/electrum/json-rpc.js'

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
