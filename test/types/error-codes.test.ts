import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ERROR_CODES, ERROR_KINDS, isErrorCode, kindOf } from '../../src/types/error-codes.js'

/** What Node, libp2p and OpenSSL call some of theirs. */
const OF_OTHERS = new Set(['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER'])

const TABLE = join('src', 'types', 'error-codes.ts')

function codesIn(folder: string): Set<string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => join(folder, file))
    .filter((file) => file.endsWith('.ts') && file !== TABLE)
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

  it('a code that is not ours is a refusal', () => {
    assert.deepEqual(
      [kindOf('ERR_STORE_FAILED'), kindOf('ERR_OF_A_LATER_RELEASE'), kindOf('toString')],
      ['disk', 'refused', 'refused']
    )
    assert.equal(ERROR_KINDS[kindOf('ERR_NODE_NOT_RUNNING')].exit, 3)
  })
})
