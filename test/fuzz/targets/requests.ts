/**
 * Payment requests, receipts, questions and answers: what is read is what would have been written.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  decodeAnswer,
  decodeQuestion,
  decodeReceipt,
  decodeRequest,
  decodeSigned,
  encodeAnswer,
  encodeQuestion,
  encodeReceipt,
  encodeRequest,
  encodeSigned,
  signedOf
} from '../../../protocols/request/1.0/index.js'
import { requestOfUri } from '../../../src/bitcoin/uri.js'
import { verifyReceipt, verifyRequest } from '../../../src/p2p/requests.js'
import { REQUEST_VECTORS } from '../../protocols/request-vectors.js'
import { type Target, text, unlessRefused, utf8 } from '../fuzzer.js'

/** Each decoder with the encoder that gives the same bytes again. */
const AGAIN: ReadonlyArray<(bytes: Uint8Array) => Uint8Array> = [
  (bytes) => encodeSigned(decodeSigned(bytes)),
  (bytes) => encodeRequest(decodeRequest(bytes)),
  (bytes) => encodeReceipt(decodeReceipt(bytes)),
  (bytes) => encodeQuestion(decodeQuestion(bytes)),
  (bytes) => encodeAnswer(decodeAnswer(bytes))
]

function texts(file: string): string[] {
  const { accept, refuse } = JSON.parse(
    readFileSync(join(REQUEST_VECTORS, file), 'utf8')
  ) as Record<'accept' | 'refuse', ReadonlyArray<{ readonly text: string }>>
  return [...accept, ...refuse].map((vector) => vector.text)
}

export const REQUESTS: Target = {
  name: 'requests',
  words: ['paychan1', 'paychanreceipt1', 'bitcoin:?paychan=', 'PAYCHAN1'],
  seeds: () => {
    const [requests, receipts] = [texts('requests.json'), texts('receipts.json')]
    return [
      ...[...requests, ...receipts, `bitcoin:?paychan=${requests[0] ?? ''}`].map(utf8),
      ...requests.flatMap((each) => {
        const signed = unlessRefused(() => signedOf('request', each))
        return signed === undefined ? [] : [encodeSigned(signed), signed.content]
      }),
      ...receipts.flatMap((each) => {
        const signed = unlessRefused(() => signedOf('receipt', each))
        return signed === undefined
          ? []
          : [signed.content, encodeAnswer({ state: 'paid', receipt: signed })]
      }),
      encodeQuestion({ id: '0102030405060708', nonce: 'f1f2f3f4f5f6f7f8' })
    ]
  },
  run: async (input) => {
    for (const again of AGAIN) {
      const bytes = unlessRefused(() => again(input))
      if (bytes !== undefined) assert.deepEqual(bytes, input)
    }
    const said = text(input)
    unlessRefused(() => requestOfUri(said))
    for (const verify of [verifyRequest, verifyReceipt]) {
      await verify(said).catch((error: unknown) => {
        unlessRefused(() => {
          throw error
        })
      })
    }
  }
}
