/** A host and a port, as people write them. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseAmount, readHostPort } from '../../src/types/amount.js'
import { formatAmount, MAX_MONEY, satoshi } from '../../src/types/units.js'

const positive = fc.bigInt({ min: 1n, max: MAX_MONEY })

describe('amounts', () => {
  describe('parseAmount', () => {
    for (const [text, expected] of [
      ['1000', 1_000n],
      ['1000sat', 1_000n],
      ['1000 sat', 1_000n],
      ['1 sats', 1n],
      ['1000SAT', 1_000n],
      [' 7 ', 7n],
      ['0.00001btc', 1_000n],
      ['0.00000001 BTC', 1n],
      ['1btc', 100_000_000n],
      ['1.5btc', 150_000_000n],
      ['0.100000000btc', 10_000_000n],
      ['21000000btc', MAX_MONEY],
      ['2100000000000000', MAX_MONEY],
      ['007', 7n]
    ] as const) {
      it(`reads '${text}' as ${expected} sat`, () => {
        assert.equal(parseAmount(text), expected)
      })
    }

    for (const [what, sentence, texts] of [
      ['zero', /above zero/, ['0', '0sat', '0.0btc', '0btc', '00']],
      ['a sign', /no sign/, ['-1', '+1', '-0.1btc']],
      [
        'a fraction of a satoshi',
        /fraction of a satoshi|cannot be divided/,
        ['0.5', '1.0sat', '0.5sat', '0.000000001btc', '1.123456789btc']
      ],
      ['an exponent', /exponent/, ['1e3', '1E3', '1.5e8sat', '1e-8btc']],
      ['thousands separators', /separators/, ['1,000', '1 000', '1_000sat', "1'000", '1,000.5btc']],
      [
        'what is no amount',
        /not an amount/,
        [
          'sat',
          'btc',
          'abc',
          '1000 dollar',
          '0x10',
          '1.',
          '.5btc',
          '1btc1',
          'NaN',
          'Infinity',
          '١٢',
          '1'.repeat(1_000)
        ]
      ],
      ['nothing', /missing/, ['', '   ']],
      [
        'more than all bitcoin',
        /between 0 and/,
        ['2100000000000001', '21000000.00000001btc', '99999999999999999999']
      ]
    ] as const) {
      it(`refuses ${what} with a sentence that says so`, () => {
        for (const text of texts) {
          assert.throws(
            () => parseAmount(text),
            { code: 'ERR_INVALID_AMOUNT', message: sentence },
            text
          )
        }
      })
    }

    it('is exact for every amount of bitcoin', () => {
      fc.assert(
        fc.property(positive, (amount) => {
          const text = `${amount / 100_000_000n}.${(amount % 100_000_000n).toString().padStart(8, '0')}btc`
          assert.equal(parseAmount(text), amount)
        })
      )
    })

    it('reads an amount or throws ERR_INVALID_AMOUNT, whatever it is given', () => {
      const text = fc.oneof(
        fc.string(),
        fc.stringMatching(/^[-+]?[0-9.,e_ ]{0,25}(sat|sats|btc)?$/)
      )
      fc.assert(
        fc.property(text, (input) => {
          try {
            assert.ok(parseAmount(input) > 0n)
          } catch (error) {
            assert.equal((error as { code?: unknown }).code, 'ERR_INVALID_AMOUNT')
          }
        }),
        { numRuns: 1_000 }
      )
    })
  })

  describe('formatAmount', () => {
    for (const [amount, text] of [
      [0n, '0 sat'],
      [1n, '1 sat'],
      [999n, '999 sat'],
      [1_000n, '1,000 sat'],
      [123_456n, '123,456 sat'],
      [MAX_MONEY, '2,100,000,000,000,000 sat']
    ] as const) {
      it(`writes ${amount} as '${text}'`, () => {
        assert.equal(formatAmount(satoshi(amount)), text)
      })
    }

    it('says what parseAmount reads once the separators are gone', () => {
      fc.assert(
        fc.property(positive, (amount) => {
          assert.equal(parseAmount(formatAmount(satoshi(amount)).replaceAll(',', '')), amount)
        })
      )
    })
  })
})

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
