/** The headers of x402: what @x402/core has written is read, and what it reads is written. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import {
  decodePaymentRequiredHeader,
  decodePaymentResponseHeader,
  decodePaymentSignatureHeader
} from '@x402/core/http'
import { validatePaymentPayload, validatePaymentRequired } from '@x402/core/schemas'
import fc from 'fast-check'
import { isOwnChallenge } from '../../src/metering/payment-auth.js'
import {
  challengeOf,
  IDENTIFIER_DECLARATION,
  paymentHeader,
  readPayment,
  readRequired,
  refusalIn,
  requirementOf,
  settlementOf,
  toX402Header,
  type X402Required
} from '../../src/metering/x402.js'
import { codeOf } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'

interface Sample<T> {
  readonly header: string
  readonly data: T
}
interface Named {
  readonly name: string
  readonly header: string
}
const vectors = JSON.parse(readFileSync('protocols/http/1.0/vectors/x402.json', 'utf8')) as {
  readonly required: Sample<X402Required>
  readonly payment: Sample<object> & { readonly id: string }
  readonly response: Sample<object>
  readonly refusal: Sample<{ readonly errorReason: string }>
  readonly accept: readonly (Named & { readonly session: string })[]
  readonly refuse: readonly Named[]
}
const { secret } = JSON.parse(readFileSync('protocols/http/1.0/vectors/headers.json', 'utf8')) as {
  readonly secret: string
}

const offered = () => readRequired(vectors.required.header)[0] ?? assert.fail('nothing is offered')

describe('metering / headers of x402', () => {
  it('that @x402/core has written are read: an offer beside those of others', () => {
    const { challenge, terms, x402 } = offered()
    assert.equal(isOwnChallenge(Buffer.from(secret), challenge), true)
    assert.deepEqual([terms.price, terms.network], [2n, 'regtest'])
    assert.deepEqual(x402?.accepted, vectors.required.data.accepts[1], 'as it came')
    assert.deepEqual(readRequired(vectors.required.header).length, 1)
  })

  for (const { name, header, session } of vectors.accept) {
    it(`a payment is taken: ${name}`, () => {
      const { challenge, payload } = readPayment(header)
      assert.deepEqual([challenge.id, payload.cumulativeAmount], [session, 2n])
      assert.equal(isOwnChallenge(Buffer.from(secret), challenge), true)
    })
  }

  for (const { name, header } of vectors.refuse) {
    it(`a payment is refused, HTTP-10: ${name}`, () => {
      assert.throws(
        () => readPayment(header),
        (error) => codeOf(error) === 'ERR_MALFORMED_CREDENTIAL'
      )
    })
  }

  it('an offer is left out that asks for something else than its session, HTTP-10', () => {
    const { accepts, ...required } = vectors.required.data
    for (const change of [
      { amount: '3' },
      { payTo: 'somebody' },
      { network: 'bip122:000000000019d6689c085ae165831e93' },
      { asset: 'usd' },
      { scheme: 'exact' },
      { extra: {} }
    ]) {
      const header = toX402Header({ ...required, accepts: [{ ...accepts[1], ...change }] })
      assert.deepEqual(readRequired(header), [], JSON.stringify(change))
    }
  })

  it('a refusal is heard, and a receipt is none', () => {
    assert.equal(refusalIn(vectors.refusal.header), vectors.refusal.data.errorReason)
    assert.equal(refusalIn(vectors.response.header), undefined)
    assert.equal(refusalIn(null), undefined)
  })

  it('that are written here are the ones that @x402/core writes, and passes', () => {
    const { challenge, x402 } = offered()
    const header = paymentHeader(x402 ?? assert.fail(), challenge, 2n)
    const read = decodePaymentSignatureHeader(header)
    assert.deepEqual(read, vectors.payment.data)
    validatePaymentPayload(read)
    assert.equal(readPayment(header).id, vectors.payment.id)
    const required = {
      x402Version: 2,
      error: 'payment-required',
      resource: { url: 'https://api.example.com/weather', description: '“☂”' },
      accepts: [requirementOf(challenge, 3_600)],
      extensions: { 'payment-identifier': IDENTIFIER_DECLARATION }
    }
    assert.deepEqual(required.accepts[0], vectors.required.data.accepts[1])
    const said = decodePaymentRequiredHeader(toX402Header(required))
    assert.deepEqual(validatePaymentRequired(said), required)
    const [price, standing] = [satoshi(2n), { paid: 4n, spent: 2n, units: 1 }]
    const taken = { problem: undefined, challenge, number: 2n, price, standing }
    assert.deepEqual(
      decodePaymentResponseHeader(toX402Header(settlementOf(taken))),
      vectors.response.data
    )
  })

  it('take nothing of @x402/core: who does not use it does not install it', () => {
    const { peerDependencies, peerDependenciesMeta, dependencies } = JSON.parse(
      readFileSync('package.json', 'utf8')
    ) as Record<string, Record<string, unknown>>
    assert.equal(peerDependencies?.['@x402/core'], '2.27.0')
    assert.deepEqual(peerDependenciesMeta?.['@x402/core'], { optional: true })
    assert.equal(dependencies?.['@x402/core'], undefined)
    for (const file of readdirSync('src/metering')) {
      const source = readFileSync(`src/metering/${file}`, 'utf8')
      assert.doesNotMatch(source, /(from|import\() ?'(@x402|express)/, file)
    }
  })

  it('never break the reader, whatever stands there', () => {
    const { accepts } = vectors.required.data
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.string({ maxLength: 80 }), (json, text) => {
        const data: unknown = JSON.parse(json)
        for (const header of [
          text,
          Buffer.from(json).toString('base64'),
          toX402Header({ x402Version: 2, accepts: [data, accepts[1]], extensions: data })
        ]) {
          assert.ok(
            readRequired(header).every(({ x402 }) => challengeOf(x402?.accepted ?? assert.fail()))
          )
          refusalIn(header)
          assert.throws(() => readPayment(header))
        }
      })
    )
  })
})
