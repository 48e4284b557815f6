/** Records byte for byte: what this release writes today, it and later ones read. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { channelChanges, readChannel } from '../../src/engine/stored-channel.js'
import { openSimStore } from '../../src/testing/disk.js'
import { fromHex, toHex } from '../../src/types/bytes.js'
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
import { decodeRecord, encodeRecord } from '../../src/types/records.js'
import {
  addSat,
  blockDelta,
  blockHeight,
  feeFor,
  feeRate,
  heightMinus,
  heightPlus,
  LOCKTIME_THRESHOLD,
  max,
  MAX_MONEY,
  min,
  satoshi,
  subSat,
  ZERO_SAT
} from '../../src/types/units.js'
import { checkRecord } from '../../src/wallet/loading.js'

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

const invalid = (call: () => unknown, code: string): void => {
  assert.throws(call, { name: 'PaychanError', code })
}

describe('types / units / satoshi', () => {
  it('takes 0 to 21 million bitcoin', () => {
    assert.equal(satoshi(0n), 0n)
    assert.equal(satoshi(MAX_MONEY), 2_100_000_000_000_000n)
  })

  it('refuses 1 sat less, and 1 sat more', () => {
    invalid(() => satoshi(-1n), 'ERR_INVALID_AMOUNT')
    invalid(() => satoshi(MAX_MONEY + 1n), 'ERR_INVALID_AMOUNT')
  })

  it('adds, and refuses a sum above all money', () => {
    assert.equal(addSat(), ZERO_SAT)
    assert.equal(addSat(satoshi(1n), satoshi(2n), satoshi(3n)), 6n)
    invalid(() => addSat(satoshi(MAX_MONEY), satoshi(1n)), 'ERR_INVALID_AMOUNT')
  })

  it('subtracts, and refuses a negative difference', () => {
    assert.equal(subSat(satoshi(5n), satoshi(5n)), 0n)
    invalid(() => subSat(satoshi(5n), satoshi(6n)), 'ERR_INVALID_AMOUNT')
  })
})

describe('types / units / fee rates and fees', () => {
  it('refuses a negative rate; 0 is one', () => {
    assert.equal(feeRate(0n), 0n)
    invalid(() => feeRate(-1n), 'ERR_INVALID_FEERATE')
  })

  it('rounds up, as Bitcoin Core does: 181 vB x 1.5 sat/vB = 271.5', () => {
    assert.equal(feeFor(feeRate(1500n), 181), 272n)
    assert.equal(feeFor(feeRate(1000n), 181), 181n)
    assert.equal(feeFor(feeRate(1n), 1), 1n)
    assert.equal(feeFor(feeRate(0n), 181), 0n)
  })

  it('is never below the rate, and never a satoshi above it', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 1_000_000n),
        fc.integer({ min: 0, max: 100_000 }),
        (rate, vsize) => {
          const fee = feeFor(feeRate(rate), vsize)
          const exact = rate * BigInt(vsize)
          assert.ok(fee * 1000n >= exact && (fee - 1n) * 1000n < exact)
        }
      )
    )
  })
})

describe('types / units / heights', () => {
  it('takes 0 up to the last value that nLockTime reads as a height', () => {
    assert.equal(blockHeight(0), 0)
    assert.equal(blockHeight(LOCKTIME_THRESHOLD - 1), 499_999_999)
  })

  for (const value of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, LOCKTIME_THRESHOLD]) {
    it(`refuses ${value}`, () => {
      invalid(() => blockHeight(value), 'ERR_INVALID_HEIGHT')
    })
  }

  it('a number of blocks may be negative, and is whole', () => {
    assert.equal(blockDelta(-3), -3)
    invalid(() => blockDelta(0.5), 'ERR_INVALID_HEIGHT')
  })

  it('adds and subtracts blocks, and refuses what is no height any more', () => {
    assert.equal(heightPlus(blockHeight(10), blockDelta(5)), 15)
    assert.equal(heightMinus(blockHeight(10), blockDelta(10)), 0)
    invalid(() => heightMinus(blockHeight(10), blockDelta(11)), 'ERR_INVALID_HEIGHT')
    invalid(
      () => heightPlus(blockHeight(LOCKTIME_THRESHOLD - 1), blockDelta(1)),
      'ERR_INVALID_HEIGHT'
    )
  })
})

describe('types / units / min and max', () => {
  it('pick from amounts and from heights', () => {
    assert.deepEqual(
      [min(1n, 2n), max(1n, 2n), min(2, 1), max(2, 1), min(3, 3), max(3, 3)],
      [1n, 2n, 1, 2, 3, 3]
    )
  })
})

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
