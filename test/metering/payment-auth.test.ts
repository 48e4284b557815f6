/**
 * The "Payment" scheme as texts: what is written is read again, and what others may write breaks
 * nothing.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { peerIdFromString } from '@libp2p/peer-id'
import fc from 'fast-check'
import {
  challengeHeader,
  challengeId,
  credentialHeader,
  isOwnChallenge,
  isPayment,
  readChallenges,
  readCredential,
  readReceipt,
  receiptHeader,
  toToken,
  type Challenge
} from '../../src/metering/payment-auth.js'
import { termsOf } from '../../src/metering/session-terms.js'
import { codeOf } from '../../src/types/errors.js'

const SECRET = new Uint8Array(32).fill(7)

function challenge(changes: Partial<Challenge> = {}): Challenge {
  const asked = {
    realm: 'api.example.com',
    method: 'paychan',
    intent: 'session',
    request: toToken({ currency: 'sat', amount: '2' }),
    expires: '2026-12-01T00:00:00.000Z',
    ...changes
  }
  return { id: challengeId(SECRET, asked), ...asked }
}

describe('metering / challenges', () => {
  it('are read as they were written, whatever people call what they sell', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80, unit: 'binary' }), (description) => {
        const written = challengeHeader(challenge({ description }))
        assert.match(written, /^[ -~]*$/, 'a header is printable ASCII')
        const [read] = readChallenges(written)
        // Control characters become blanks.
        assert.equal(read?.description, description.replace(/\p{Cc}/gu, ' '))
      })
    )
  })

  it('are found among those of other schemes, in any order', () => {
    const [one, two] = [challenge(), challenge({ realm: 'b' })]
    const header = `Basic realm="x, Payment y", ${challengeHeader(one)}, Bearer, Digest a=b, c="d", ${challengeHeader(two)}`
    assert.deepEqual(readChallenges(header), [one, two])
  })

  it('that are malformed, too long or said twice are left out', () => {
    const good = challengeHeader(challenge())
    for (const bad of [
      '',
      'Payment',
      'Payment id="x"',
      `${good}, id="again"`,
      good.replace('paychan', 'PAYCHAN'),
      `Payment ${'a="b", '.repeat(20_000)}`,
      good.replace('request="', 'request="'.padEnd(20_000, 'x'))
    ]) {
      assert.deepEqual(readChallenges(bad), [], bad.slice(0, 40))
    }
  })

  it('never break the reader, whatever stands there', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400 }), (text) => {
        readChallenges(text)
        readChallenges(`Payment ${text}`)
      })
    )
  })

  it('are known by their server as its own, unless one character is another', () => {
    const own = challenge()
    assert.equal(isOwnChallenge(SECRET, own), true)
    assert.equal(isOwnChallenge(new Uint8Array(32).fill(8), own), false)
    for (const change of [
      { realm: 'api.example.org' },
      { request: toToken({ amount: '1', currency: 'sat' }) },
      { expires: '2027-12-01T00:00:00.000Z' },
      { intent: 'charge' },
      { opaque: 'x' },
      { id: own.id.slice(1) }
    ]) {
      assert.equal(isOwnChallenge(SECRET, { ...own, ...change }), false, JSON.stringify(change))
    }
  })

  it('ask with canonical JSON, so that every implementation gets the same id', () => {
    assert.equal(
      Buffer.from(
        toToken({ b: [1, { d: 'ä', c: null }], a: undefined, A: true }),
        'base64url'
      ).toString(),
      '{"A":true,"b":[1,{"c":null,"d":"ä"}]}'
    )
  })
})

describe('metering / credentials and receipts', () => {
  it('are read as they were written', () => {
    const credential = {
      challenge: challenge(),
      payload: { action: 'voucher', cumulativeAmount: '2' }
    }
    const header = credentialHeader(credential)
    assert.equal(isPayment(header), true)
    assert.deepEqual(readCredential(header), credential)
    assert.deepEqual(readCredential(header.replace('Payment', 'payment')), credential)
    const receipt = {
      method: 'paychan',
      intent: 'session',
      status: 'success',
      timestamp: '2026-12-01T00:00:00.000Z',
      reference: 'x:2',
      challengeId: 'x',
      acceptedCumulative: '4',
      spent: '2',
      units: 1
    } as const
    assert.deepEqual(readReceipt(receiptHeader(receipt)), receipt)
  })

  it('that cannot be read are refused with a sentence', () => {
    for (const bad of [
      'Payment',
      'Payment !!!',
      `Payment ${toToken({})}`,
      `Payment ${Buffer.from('{').toString('base64url')}`,
      `Payment ${toToken({ challenge: { ...challenge(), id: '' }, payload: {} })}`
    ]) {
      assert.throws(
        () => readCredential(bad),
        (error) => codeOf(error) === 'ERR_MALFORMED_CREDENTIAL',
        bad
      )
    }
    assert.equal(isPayment('Bearer x'), false)
    assert.equal(isPayment(null), false)
    assert.deepEqual(
      [readReceipt(null), readReceipt('x'), readReceipt(toToken({}))],
      [undefined, undefined, undefined]
    )
  })
})

describe('metering / headers of another implementation', () => {
  const vectors = JSON.parse(
    readFileSync('protocols/http/1.0/vectors/headers.json', 'utf8')
  ) as Record<'challenge' | 'credential' | 'receipt', { readonly header: string }> & {
    readonly secret: string
    readonly challenge: {
      readonly id: string
      readonly description: string
      readonly request: { readonly recipient: string }
    }
  }

  it('are read: a challenge, with the id that its server made', () => {
    const [challenge] = readChallenges(vectors.challenge.header)
    assert.ok(challenge)
    assert.equal(challenge.id, vectors.challenge.id)
    assert.equal(challenge.description, vectors.challenge.description)
    assert.equal(isOwnChallenge(Buffer.from(vectors.secret), challenge), true)
    const terms = termsOf(challenge)
    assert.deepEqual(
      [terms?.price, terms?.network, terms?.recipient],
      [2n, 'regtest', vectors.challenge.request.recipient]
    )
    assert.equal(toToken(vectors.challenge.request), challenge.request, 'canonical on both sides')
  })

  it('a challenge is not read that names its payee in another form than the one of a PeerId', () => {
    const [challenge = assert.fail()] = readChallenges(vectors.challenge.header)
    const { recipient } = vectors.challenge.request
    const named = (other: string): unknown => {
      const request = { ...vectors.challenge.request, recipient: other }
      return termsOf({ ...challenge, request: toToken(request) })?.recipient
    }
    assert.equal(named(recipient), recipient)
    const others = [
      peerIdFromString(recipient).toCID().toString(),
      `/ip4/192.0.2.1/tcp/1/p2p/${recipient}`,
      `${recipient} `,
      recipient.slice(0, 16),
      'bob',
      'ab'.repeat(32),
      ''
    ]
    for (const other of others) assert.equal(named(other), undefined, other)
  })

  it('a credential, and a receipt', () => {
    const { challenge, payload } = readCredential(vectors.credential.header)
    assert.deepEqual(
      [challenge.id, payload],
      [vectors.challenge.id, { action: 'voucher', cumulativeAmount: '2' }]
    )
    assert.equal(readReceipt(vectors.receipt.header)?.acceptedCumulative, '4')
  })
})
