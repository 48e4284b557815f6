import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { adviceOf } from '../../src/types/error-advice.js'
import {
  ERROR_CODES,
  ERROR_KINDS,
  type ErrorCode,
  isErrorCode,
  kindOf
} from '../../src/types/error-codes.js'
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

/** What Node, libp2p and OpenSSL call some of theirs. */
const OF_OTHERS = new Set([
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_MODULE_NOT_FOUND'
])

const TABLES = ['error-codes.ts', 'error-advice.ts'].map((file) => join('src', 'types', file))

function codesIn(folder: string): Set<string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith('.ts') && !TABLES.includes(file))
  return new Set(
    files.flatMap((file) => readFileSync(file, 'utf8').match(/\bERR_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [])
  )
}

describe('types / error codes', () => {
  const used = new Set([...codesIn('src'), ...codesIn(join('protocols', 'paychan', '1.0'))])

  it('the table has every code that the sources name, and no other', () => {
    assert.deepEqual(
      [...used].filter((code) => !isErrorCode(code) && !OF_OTHERS.has(code) && code !== 'ERR_PSBT'),
      []
    )
    assert.deepEqual(
      Object.keys(ERROR_CODES).filter((code) => !used.has(code)),
      []
    )
  })

  it('the advice for each code is a short sentence, or two', () => {
    const codes = Object.keys(ERROR_CODES) as ErrorCode[]
    assert.deepEqual(
      codes.filter((code) => !/^[A-Z`][^\n|]{5,150}[.]$/.test(adviceOf(code))),
      []
    )
  })

  it('a code that is not ours is a refusal', () => {
    assert.deepEqual(
      [kindOf('ERR_STORE_FAILED'), kindOf('ERR_OF_A_LATER_RELEASE'), kindOf('toString')],
      ['disk', 'refused', 'refused']
    )
    assert.equal(ERROR_KINDS[kindOf('ERR_NODE_NOT_RUNNING')].exit, 3)
  })
})
