/**
 * The money of each side by the chain alone: its own scripts, from its own words, without any
 * report of a node.
 */
import { join } from 'node:path'
import { parseTransaction } from '../bitcoin/transaction.js'
import type { Devnet } from '../devnet/devnet.js'
import { toHex, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { addSat, satoshi, ZERO_SAT, type Satoshi } from '../types/units.js'
import { AddressBook } from '../wallet/addresses.js'
import { readSeedFile } from '../wallet/seed-file.js'
import { rootFromWords } from '../bitcoin/seed.js'
import { SEED_FILE } from '../node/system.js'

/** Number of addresses to look at: more than a demo hands out. */
const ADDRESSES = 40

/** All scripts that a wallet's words can spend: receive, change, and those of closes. */
export async function walletScripts(dataDir: string): Promise<Uint8Array[]> {
  const book = new AddressBook(
    rootFromWords(await readSeedFile(join(dataDir, SEED_FILE))),
    'regtest'
  )
  return (['receive', 'change', 'close'] as const).flatMap((branch) =>
    Array.from({ length: ADDRESSES }, (_, index) => book.at(branch, index).scriptPubKey)
  )
}

/** The sum of confirmed coins on scripts. */
export async function confirmedOn(
  devnet: Devnet,
  scripts: readonly Uint8Array[]
): Promise<Satoshi> {
  let sum = ZERO_SAT
  for (const script of scripts) {
    for (const coin of await devnet.utxos(script)) {
      if (coin.height !== undefined) sum = addSat(sum, coin.value)
    }
  }
  return sum
}

/**
 * A transaction of the chain.
 *
 * @throws PaychanError `ERR_DEMO_FAILED` when the chain does not have it in a block
 */
export async function confirmed(devnet: Devnet, txid: Txid): Promise<Uint8Array> {
  const found = await devnet.transaction(txid)
  if (found?.block === undefined) {
    throw new PaychanError('ERR_DEMO_FAILED', `${txid} is not in a block.`, { txid })
  }
  return found.raw
}

/** The fee of a transaction: the value of its inputs less that of its outputs. */
export async function feeOf(devnet: Devnet, raw: Uint8Array): Promise<Satoshi> {
  const { inputs, outputs } = parseTransaction(raw)
  let fee = 0n
  for (const { outPoint } of inputs) {
    const parent = await devnet.transaction(outPoint.txid)
    const spent =
      parent === undefined ? undefined : parseTransaction(parent.raw).outputs[outPoint.vout]
    if (spent === undefined) {
      throw new PaychanError('ERR_DEMO_FAILED', `The chain does not have ${outPoint.txid}.`)
    }
    fee += spent.value
  }
  return satoshi(outputs.reduce((left, output) => left - output.value, fee))
}

/** The transaction in hex. */
export function rawHex(raw: Uint8Array): string {
  return toHex(raw)
}
