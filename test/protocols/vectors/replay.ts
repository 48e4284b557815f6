/**
 * What the replaying tests share: an independent reading of the files by bitcoinjs and
 * tiny-secp256k1, without anything from `src/bitcoin`.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as bitcoin from 'bitcoinjs-lib'
import * as secp from 'tiny-secp256k1'
import { z } from 'zod'
import type { Message } from '../../../protocols/paychan/1.0/index.js'
import type { FundingOutput, TxOutput } from '../../../src/bitcoin/template.js'
import { fromHex, toHex, txid } from '../../../src/types/bytes.js'
import { PaychanError } from '../../../src/types/errors.js'
import { satoshi } from '../../../src/types/units.js'
import { read, type Vectors, VECTORS_FOLDER } from './schema.js'

export const { keys } = read.keys()

/** The channel key of a side. */
export function channelKey(role: 'client' | 'server'): {
  privateKey: Uint8Array
  publicKey: Uint8Array
} {
  const pair = role === 'client' ? keys.clientChannel : keys.serverChannel
  return { privateKey: fromHex(pair.privateKey), publicKey: fromHex(pair.publicKey) }
}

/** A digest computed by bitcoinjs from a transaction and the funding output that it spends. */
export function digestOf(
  raw: string,
  funding: Vectors<'refund.json'>['funding'],
  sighashType: number
): Uint8Array {
  return bitcoin.Transaction.fromHex(raw).hashForWitnessV0(
    0,
    fromHex(funding.witnessScript),
    BigInt(funding.sat),
    sighashType
  )
}

/** Asserts that a signature is the deterministic one, and valid with a low S. */
export function assertSigned(
  role: 'client' | 'server',
  digest: Uint8Array,
  signature: string
): void {
  const { privateKey, publicKey } = channelKey(role)
  assert.deepEqual(fromHex(signature), secp.sign(digest, privateKey), 'RFC 6979')
  assert.ok(secp.verify(digest, publicKey, fromHex(signature), true), 'valid, low S')
}

/**
 * Asserts that a transaction carries these two signatures in the order of the keys, and the script.
 */
export function assertWitness(
  raw: string,
  funding: Vectors<'refund.json'>['funding'],
  client: [string, number],
  server: [string, number]
): void {
  const [{ witness } = { witness: [] }, ...more] = bitcoin.Transaction.fromHex(raw).ins
  assert.deepEqual(more, [])
  assert.deepEqual(
    witness.map((item) => Buffer.from(item).toString('hex')),
    [
      '',
      ...[client, server].map(([signature, type]) =>
        Buffer.from(bitcoin.script.signature.encode(fromHex(signature), type)).toString('hex')
      ),
      funding.witnessScript
    ]
  )
}

/** The funding output of a file, for our own functions. */
export function fundingOutput(funding: Vectors<'refund.json'>['funding']): FundingOutput {
  return {
    outPoint: { txid: txid(funding.outPoint.txid), vout: funding.outPoint.vout },
    value: satoshi(BigInt(funding.sat)),
    clientKey: fromHex(funding.clientKey),
    serverKey: fromHex(funding.serverKey)
  }
}

/** The scriptPubKey and value of the funding output. */
export function fundingSpent(funding: Vectors<'refund.json'>['funding']): TxOutput {
  return {
    script: Uint8Array.from([0, 32, ...bitcoin.crypto.sha256(fromHex(funding.witnessScript))]),
    value: satoshi(BigInt(funding.sat))
  }
}

export function output({ scriptPubKey, sat }: { scriptPubKey: string; sat: number }): TxOutput {
  return { script: fromHex(scriptPubKey), value: satoshi(BigInt(sat)) }
}

/** Asserts that a call is refused with the code that the vector names. */
export function assertRefused(call: () => unknown, code: string): void {
  assert.throws(
    call,
    (error: unknown) => error instanceof PaychanError && error.code === code,
    `expected ${code}`
  )
}

/* Messages as messages.json writes them: bytes in hex, amounts as JSON numbers. */

export const MESSAGES_FILE = join(VECTORS_FOLDER, 'messages.json')

const hex = z.string().regex(/^([0-9a-f]{2})*$/)
const rule = z.string().regex(/^[A-Z]+-[0-9]+$/)

const schema = z.strictObject({
  description: z.string(),
  accept: z.array(
    z.strictObject({ name: z.string(), message: z.looseObject({ type: z.string() }), bytes: hex })
  ),
  refuse: z.array(z.strictObject({ name: z.string(), rule, bytes: hex })),
  frames: z.strictObject({
    accept: z.array(z.strictObject({ name: z.string(), bytes: hex, messages: z.array(hex) })),
    refuse: z.array(z.strictObject({ name: z.string(), rule, bytes: hex }))
  })
})

export type MessageVectors = z.infer<typeof schema>

/** The file, checked against its shape. */
export function readMessages(): MessageVectors {
  return schema.parse(JSON.parse(readFileSync(join(process.cwd(), MESSAGES_FILE), 'utf8')))
}

/** A message as the file writes it. */
export function messageJson(message: Message): MessageVectors['accept'][number]['message'] {
  const text = JSON.stringify(message, (_name, value: unknown) => {
    if (value instanceof Uint8Array) return toHex(value)
    return typeof value === 'bigint' ? Number(value) : value
  })
  return z.looseObject({ type: z.string() }).parse(JSON.parse(text))
}
