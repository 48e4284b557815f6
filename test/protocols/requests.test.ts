/** Payment requests and receipts as texts: the vectors, and what holds for any of them. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import fc from 'fast-check'
import {
  decodeAnswer,
  decodeQuestion,
  decodeRequest,
  encodeAnswer,
  encodeQuestion,
  encodeRequest,
  MAX_SIGNED_BYTES,
  type PaymentRequest,
  REQUEST_ID_BYTES,
  signedOf,
  textOf
} from '../../protocols/request/1.0/index.js'
import { ProtocolError } from '../../protocols/paychan/1.0/index.js'
import { signReceipt, signRequest, verifyReceipt, verifyRequest } from '../../src/p2p/requests.js'
import { PaychanError } from '../../src/types/errors.js'
import { REQUEST_VECTORS, requestVectorTexts } from './request-vectors.js'

interface Vectors {
  readonly accept: ReadonlyArray<{
    readonly comment: string
    readonly text: string
    readonly payee: string
    readonly request?: Record<string, unknown>
    readonly receipt?: Record<string, unknown>
  }>
  readonly refuse: ReadonlyArray<{
    readonly comment: string
    readonly rule: string
    readonly text: string
  }>
}

function vectors(file: string): Vectors {
  return JSON.parse(readFileSync(join(REQUEST_VECTORS, file), 'utf8')) as Vectors
}

/** As the vectors write it: bytes in hex, amounts as decimal strings, nothing for undefined. */
function written(value: object): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, field: unknown) =>
      typeof field === 'bigint'
        ? field.toString()
        : field instanceof Uint8Array
          ? Buffer.from(field).toString('hex')
          : field
    )
  )
}

describe('protocols / payment requests / the vectors', () => {
  it('are what their generator writes', async () => {
    for (const [file, text] of await requestVectorTexts()) {
      assert.equal(readFileSync(join(REQUEST_VECTORS, file), 'utf8'), text, file)
    }
  })

  for (const { comment, text, payee, request } of vectors('requests.json').accept) {
    it(`takes a request: ${comment}`, async () => {
      const { payee: said, ...read } = await verifyRequest(text)
      assert.deepEqual([said, written(read)], [payee, request])
    })
  }

  for (const { comment, text, payee, receipt } of vectors('receipts.json').accept) {
    it(`takes a receipt: ${comment}`, async () => {
      const { payee: said, ...read } = await verifyReceipt(text)
      assert.deepEqual([said, written(read)], [payee, receipt])
    })
  }

  for (const [kind, verify, code] of [
    ['request', verifyRequest, 'ERR_INVALID_PAYMENT_REQUEST'],
    ['receipt', verifyReceipt, 'ERR_INVALID_RECEIPT']
  ] as const) {
    for (const { comment, rule, text } of vectors(`${kind}s.json`).refuse) {
      it(`refuses a ${kind} by ${rule}: ${comment}`, async () => {
        await assert.rejects(verify(text), (error: unknown) => {
          assert.ok(error instanceof PaychanError)
          assert.deepEqual([error.code, error.facts.rule], [code, rule], error.message)
          return true
        })
      })
    }
  }
})

describe('protocols / payment requests / spec.md', () => {
  const spec = readFileSync(join('protocols', 'request', '1.0', 'spec.md'), 'utf8')
  const defined = [...spec.matchAll(/^- \*\*(REQ-[0-9]+)\*\* /gm)].map(([, id]) => id ?? '')

  it('numbers its rules from 1 without a gap', () => {
    assert.deepEqual(
      defined,
      defined.map((_, n) => `REQ-${n + 1}`)
    )
  })

  it('has no rule that neither code nor tests name, and they name no other', () => {
    const named = new Set(
      ['src', 'protocols', 'test']
        .flatMap((folder) =>
          readdirSync(folder, { recursive: true, encoding: 'utf8' })
            .filter((file) => file.endsWith('.ts') || file.endsWith('.json'))
            .map((file) => join(folder, file))
        )
        .flatMap((file) =>
          [...readFileSync(file, 'utf8').matchAll(/\bREQ-[0-9]+\b/g)].map(([id]) => id)
        )
    )
    assert.deepEqual([...named].sort(), [...defined].sort())
  })
})

const amounts = fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n })
const hexId = fc
  .uint8Array({ minLength: REQUEST_ID_BYTES, maxLength: REQUEST_ID_BYTES })
  .map((bytes) => Buffer.from(bytes).toString('hex'))

const requests: fc.Arbitrary<Omit<PaymentRequest, 'payeeKey'>> = fc
  .record({
    network: fc.constantFrom('mainnet', 'testnet', 'testnet4', 'signet', 'regtest'),
    addresses: fc.array(
      fc.tuple(fc.ipV4(), fc.nat(65_535)).map(([host, port]) => `/ip4/${host}/tcp/${port}`),
      { maxLength: 8 }
    ),
    id: hexId,
    amount: fc.option(amounts, { nil: undefined }),
    memo: fc.string({ maxLength: 40 }),
    made: fc.integer({ min: 1, max: 2 ** 31 }),
    lives: fc.option(fc.integer({ min: 1, max: 2 ** 31 }), { nil: undefined }),
    reusable: fc.boolean(),
    leastFirstPayment: amounts
  })
  .map(({ lives, amount, ...rest }) => ({
    ...rest,
    amount: amount === 0n ? undefined : amount,
    expires: lives === undefined ? undefined : rest.made + lives
  }))

describe('protocols / payment requests', () => {
  it('each says after signing and reading what it said before', async () => {
    const key = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(7))
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const { payeeKey, payee, ...read } = await verifyRequest(await signRequest(request, key))
        assert.deepEqual(read, request)
        assert.deepEqual([payee.startsWith('12D3KooW'), payeeKey.length], [true, 36])
      }),
      { numRuns: 50 }
    )
  })

  it('no byte can be changed without being noticed', async () => {
    const key = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(7))
    const [good] = fc.sample(requests, { numRuns: 1, seed: 1 })
    assert.ok(good !== undefined)
    const { content, signature } = signedOf('request', await signRequest(good, key))
    for (const part of ['content', 'signature'] as const) {
      const length = { content, signature }[part].length
      for (let at = 0; at < length; at++) {
        const signed = { content: content.slice(), signature: signature.slice() }
        signed[part][at] = (signed[part][at] ?? 0) ^ 0x10
        await assert.rejects(verifyRequest(textOf('request', signed)), {
          code: 'ERR_INVALID_PAYMENT_REQUEST'
        })
      }
    }
  })

  it('bytes of a stranger are read as they would be written, or refused (REQ-2)', () => {
    const codecs: ReadonlyArray<(bytes: Uint8Array) => Uint8Array> = [
      (bytes) => encodeRequest(decodeRequest(bytes)),
      (bytes) => encodeQuestion(decodeQuestion(bytes)),
      (bytes) => encodeAnswer(decodeAnswer(bytes))
    ]
    for (const again of codecs) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
          try {
            assert.deepEqual(again(bytes), bytes)
          } catch (error) {
            if (!(error instanceof ProtocolError)) throw error
          }
        })
      )
    }
  })

  it('a text that is longer than any request is not read', () => {
    assert.throws(() => signedOf('request', `paychan1${'q'.repeat(2 * MAX_SIGNED_BYTES)}`), {
      rule: 'REQ-1'
    })
    const signed = { content: new Uint8Array(MAX_SIGNED_BYTES), signature: new Uint8Array(64) }
    assert.throws(() => signedOf('request', textOf('request', signed)), { rule: 'REQ-2' })
  })

  it('a question has an id of 8 bytes, and an answer a state (REQ-4)', () => {
    for (const bytes of ['', '0a070102030405060708'.slice(0, 18), '0a0801020304050607081201ff']) {
      assert.throws(() => decodeQuestion(Buffer.from(bytes, 'hex')), ProtocolError, bytes)
    }
    assert.throws(() => decodeAnswer(new Uint8Array(0)), { rule: 'REQ-4' })
    const question = { id: '0102030405060708', nonce: 'f1f2f3f4f5f6f7f8' }
    assert.deepEqual(decodeQuestion(encodeQuestion(question)), question)
  })

  it('a receipt in an answer is read with it', async () => {
    const key = await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(7))
    const receipt = await signReceipt(
      {
        network: 'regtest',
        payer: '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp',
        id: '0102030405060708',
        nonce: undefined,
        amount: 5n,
        memo: '',
        paid: 1
      },
      key
    )
    for (const answer of [
      { state: 'paid', receipt },
      { state: 'unknown', receipt: undefined },
      { state: 'open', receipt: undefined },
      { state: 'expired', receipt: undefined }
    ] as const) {
      assert.deepEqual(decodeAnswer(encodeAnswer(answer)), answer)
    }
  })
})
