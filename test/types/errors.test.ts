import assert from 'node:assert/strict'
import {
  codeOf,
  messageOf,
  PaychanError,
  toErrorRecord,
  unreachable
} from '../../src/types/errors.js'

describe('types / errors', () => {
  const error = new PaychanError(
    'ERR_INSUFFICIENT_BALANCE',
    'Asked to pay 500 sat, but 400 sat are left.',
    { asked: 500n, left: 400n, peer: undefined, tries: 2, final: true }
  )

  it('carry a code, a sentence, facts and a cause', () => {
    const cause = new Error('below')
    const wrapped = PaychanError.of('ERR_ANY', 'Above.', {}, { cause })
    assert.ok(wrapped instanceof Error)
    assert.deepEqual(
      [wrapped.name, wrapped.code, wrapped.message, wrapped.facts, wrapped.cause],
      ['PaychanError', 'ERR_ANY', 'Above.', {}, cause]
    )
  })

  it('become plain data, amounts as decimal strings, facts that are missing left out', () => {
    assert.deepEqual(toErrorRecord(error), {
      code: 'ERR_INSUFFICIENT_BALANCE',
      message: 'Asked to pay 500 sat, but 400 sat are left.',
      facts: { asked: '500', left: '400', tries: 2, final: true }
    })
    assert.doesNotThrow(() => JSON.stringify(toErrorRecord(error)))
  })

  it('whatever was thrown has a code and a sentence', () => {
    assert.deepEqual([codeOf(error), messageOf(error)], ['ERR_INSUFFICIENT_BALANCE', error.message])
    assert.deepEqual(
      [
        codeOf(Object.assign(new Error('gone'), { code: 'ENOENT' })),
        codeOf(Object.assign(new Error('odd'), { code: 5 }))
      ],
      ['ENOENT', 'ERR_INTERNAL']
    )
    assert.deepEqual(
      [codeOf('text'), messageOf('text'), codeOf(undefined), messageOf(undefined)],
      ['ERR_INTERNAL', 'text', 'ERR_INTERNAL', 'undefined']
    )
    assert.deepEqual(toErrorRecord('text'), { code: 'ERR_INTERNAL', message: 'text', facts: {} })
  })

  it('a case that nobody thought of throws', () => {
    assert.throws(() => unreachable({ type: 'new' } as never), /unreachable.*new/)
  })
})
