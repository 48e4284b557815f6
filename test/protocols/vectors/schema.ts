/**
 * The shape of the vector files, for the generator that writes them and the tests that replay them.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const hex = z.string().regex(/^([0-9a-f]{2})*$/)
const txid = z.string().regex(/^[0-9a-f]{64}$/)
const sat = z.int().min(0)
const role = z.enum(['client', 'server'])
const keyPair = z.strictObject({ privateKey: hex, publicKey: hex })
const outPoint = z.strictObject({ txid, vout: z.int() })
const output = z.strictObject({ scriptPubKey: hex, sat })
const addresses = z.strictObject({
  mainnet: z.string(),
  testnet: z.string(),
  signet: z.string(),
  regtest: z.string()
})
const described = { description: z.string() }

/** The funding output, repeated in each file that signs for it. */
const funding = z.strictObject({
  outPoint,
  sat,
  clientKey: hex,
  serverKey: hex,
  witnessScript: hex
})

const keys = z.strictObject({
  ...described,
  keys: z.strictObject({
    clientChannel: keyPair,
    serverChannel: keyPair,
    clientPayout: keyPair,
    serverPayout: keyPair,
    wallet: keyPair
  }),
  channelId: hex
})

const scripts = z.strictObject({
  ...described,
  witnessScripts: z.array(
    z.strictObject({ name: z.string(), witnessScript: hex, scriptPubKey: hex, addresses })
  ),
  dustLimits: z.array(z.strictObject({ name: z.string(), scriptPubKey: hex, sat })),
  closeScripts: z.array(
    z.strictObject({ name: z.string(), scriptPubKey: hex, accept: z.boolean() })
  )
})

const signatures = z.strictObject({
  ...described,
  publicKey: hex,
  digest: hex,
  cases: z.array(
    z.strictObject({
      name: z.string(),
      signature: hex,
      accept: z.boolean(),
      der: z.strictObject({ sighashType: z.int(), bytes: hex }).nullable()
    })
  )
})

const fundingFile = z.strictObject({
  ...described,
  coinbase: hex,
  origin: hex,
  inputs: z.array(
    z.strictObject({ outPoint, sat, scriptPubKey: hex, privateKey: hex, sighash: hex })
  ),
  unsigned: hex,
  signed: hex,
  outPoint,
  scriptPubKey: hex,
  capacity: sat,
  refuse: z.array(
    z.strictObject({
      name: z.string(),
      code: z.string(),
      raw: hex,
      outPoint,
      scriptPubKey: hex,
      capacity: sat
    })
  )
})

/** A complete spend of the funding output, with the digests of both sides. */
const spend = { raw: hex, txid, vsize: z.int(), worstVsize: z.int() }
const signed = z.strictObject({ sighashType: z.int(), sighash: hex, signature: hex })

const refund = z.strictObject({
  ...described,
  funding,
  terms: z.strictObject({ version: z.int(), refundHeight: z.int() }),
  unsigned: hex,
  server: signed,
  complete: z.strictObject({ output, client: signed, ...spend }),
  refuse: z.array(z.strictObject({ name: z.string(), code: z.string(), raw: hex })),
  refuseSignatures: z.array(z.strictObject({ name: z.string(), code: z.string(), signature: hex }))
})

const stateTerms = {
  payer: role,
  version: z.int(),
  lock: z.int(),
  payerBalance: sat,
  payerPayoutKey: hex
}
const state = z.strictObject({
  ...described,
  funding,
  cases: z.array(
    z.strictObject({
      name: z.string(),
      ...stateTerms,
      output0: output.nullable(),
      payeeOutputs: z.array(output),
      payerSigned: signed,
      payeeSigned: signed,
      ...spend
    })
  ),
  refuse: z.array(
    z.strictObject({
      name: z.string(),
      code: z.string(),
      ...stateTerms,
      payeeOutputs: z.array(output)
    })
  ),
  refuseSignatures: z.array(
    z.strictObject({ name: z.string(), code: z.string(), ...stateTerms, signature: hex })
  )
})

const closeTerms = {
  version: z.int(),
  clientBalance: sat,
  serverBalance: sat,
  clientScript: hex,
  serverScript: hex,
  fee: sat,
  feePayer: role
}
const close = z.strictObject({
  ...described,
  funding,
  cases: z.array(
    z.strictObject({
      name: z.string(),
      ...closeTerms,
      outputs: z.array(output),
      paidFee: sat,
      sighash: hex,
      clientSignature: hex,
      serverSignature: hex,
      ...spend,
      feeVsize: z.int()
    })
  ),
  refuse: z.array(z.strictObject({ name: z.string(), code: z.string(), ...closeTerms })),
  refuseSignatures: z.array(
    z.strictObject({
      name: z.string(),
      code: z.string(),
      ...closeTerms,
      signer: role,
      signature: hex
    })
  )
})

const renewed = {
  name: z.string(),
  previous: z.array(hex),
  unsigned: hex,
  outPoint,
  scriptPubKey: hex,
  capacity: sat,
  sighash: hex,
  clientSignature: hex,
  serverSignature: hex,
  ...spend
}
const renewal = z.strictObject({
  ...described,
  old: funding,
  keys: z.strictObject({ clientChannel: keyPair, serverChannel: keyPair, serverPayout: keyPair }),
  bounds: z.strictObject({
    height: z.int(),
    lastPaymentHeight: z.int(),
    leastRate: z.int(),
    mostRate: z.int()
  }),
  cases: z.array(z.strictObject({ ...renewed })),
  refund: z.strictObject({
    refundHeight: z.int(),
    serverBalance: sat,
    output0: output.nullable(),
    unsigned: hex,
    server: signed
  }),
  initial: z.strictObject({ payerBalance: sat, sighash: hex, signature: hex }),
  refuse: z.array(
    z.strictObject({
      name: z.string(),
      code: z.string(),
      height: z.int().optional(),
      raw: hex,
      previous: z.array(hex)
    })
  )
})

const spends = z.strictObject({
  ...described,
  funding,
  terms: z.strictObject({ refundHeight: z.int(), step: z.int() }),
  height: z.int(),
  cases: z.array(
    z.strictObject({
      name: z.string(),
      raw: hex,
      oneWay: z.boolean(),
      signedByBoth: z.boolean(),
      turn: z.int().nullable(),
      clientBalance: sat.nullable(),
      counts: z.boolean()
    })
  )
})

interface Schemas {
  'keys.json': typeof keys
  'scripts.json': typeof scripts
  'signatures.json': typeof signatures
  'funding.json': typeof fundingFile
  'refund.json': typeof refund
  'state.json': typeof state
  'close.json': typeof close
  'renewal.json': typeof renewal
  'spends.json': typeof spends
}

export type VectorFile = keyof Schemas
export type Vectors<F extends VectorFile> = z.infer<Schemas[F]>

/** Where the files are, from the root of the repository. */
export const VECTORS_FOLDER = join('protocols', 'paychan', '1.0', 'vectors')

/** The text of a vector file. */
export function readVectorText(file: VectorFile): string {
  return readFileSync(join(process.cwd(), VECTORS_FOLDER, file), 'utf8')
}

/** The vector files, each checked against its shape. */
export const read = {
  keys: () => keys.parse(JSON.parse(readVectorText('keys.json'))),
  scripts: () => scripts.parse(JSON.parse(readVectorText('scripts.json'))),
  signatures: () => signatures.parse(JSON.parse(readVectorText('signatures.json'))),
  funding: () => fundingFile.parse(JSON.parse(readVectorText('funding.json'))),
  refund: () => refund.parse(JSON.parse(readVectorText('refund.json'))),
  state: () => state.parse(JSON.parse(readVectorText('state.json'))),
  close: () => close.parse(JSON.parse(readVectorText('close.json'))),
  renewal: () => renewal.parse(JSON.parse(readVectorText('renewal.json'))),
  spends: () => spends.parse(JSON.parse(readVectorText('spends.json')))
}
