/** The steps that every story shares for its channel: its end, and the nodes' reports of it. */
import { join } from 'node:path'
import { rootFromWords } from '../bitcoin/seed.js'
import { parseTransaction } from '../bitcoin/transaction.js'
import type { Devnet } from '../devnet/devnet.js'
import type { ChannelInfo } from '../node/api.js'
import { SEED_FILE } from '../node/system.js'
import { toHex, type Txid } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { addSat, satoshi, type Satoshi, ZERO_SAT } from '../types/units.js'
import { AddressBook } from '../wallet/addresses.js'
import { readSeedFile } from '../wallet/seed-file.js'
import type { NodeProcess, Stage } from './stage.js'
import type { Narrator, Report } from './report.js'

/** Amount of a payment, in satoshis. */
export const PAYMENT = satoshi(500n)

/** The end of a channel. */
export interface Ending {
  readonly payments: number
  readonly kind: 'close' | 'settlement' | 'refund'
  readonly txid: Txid
  /** The losses in the end, for people; undefined without any. */
  readonly outcome?: string
  /** The result of a story's own check, beside the books. */
  readonly ok?: boolean
  readonly kills?: Report['kills']
  /**
   * On a two-way channel: the sum of all payments, and the server's final part of it, before the
   * fee of a transaction that it published alone.
   */
  readonly amounts?: { readonly paid: bigint; readonly server: bigint }
  readonly turns?: Report['turns']
  readonly race?: Report['race']
  /** Other channels of the story. */
  readonly others?: ReadonlyArray<{ readonly T1: Txid; readonly spend: Txid }>
  /** Transactions by which the server's wallet has meanwhile swept outputs of settlements. */
  readonly sweeps?: readonly Txid[]
}

export type Act = (stage: Stage, channel: ChannelInfo, narrator: Narrator) => Promise<Ending>

/** The channel as a node sees it now. */
export async function find(
  channels: Promise<ChannelInfo[]>,
  wanted: ChannelInfo
): Promise<ChannelInfo> {
  const found = (await channels).find((channel) => channel.id === wanted.id)
  if (found === undefined) {
    throw new PaychanError('ERR_DEMO_FAILED', 'The node does not know its channel any more.')
  }
  return found
}

/** Mines until the running nodes see the channel's end in a block. Returns its txid. */
export async function confirm(
  stage: Stage,
  channel: ChannelInfo,
  kind: Ending['kind'],
  alive: readonly [NodeProcess, ...NodeProcess[]]
): Promise<Txid> {
  const spend = async (node: NodeProcess): Promise<ChannelInfo['spend']> =>
    (await find(node.api.channels.list(), channel)).spend
  await stage.until(
    `the ${kind} is in the mempool`,
    async () => (await spend(alive[0]))?.kind === kind
  )
  await stage.mine(1, alive)
  for (const node of alive) {
    await stage.until(
      `the ${node.who} sees the ${kind} in a block`,
      async () => (await spend(node))?.height !== undefined
    )
  }
  const seen = await spend(alive[0])
  if (seen === undefined) throw new PaychanError('ERR_DEMO_FAILED', `The ${kind} has vanished.`)
  return seen.txid
}

/** The terms of a story's channel; with a `step` both sides pay. */
export interface ChannelTerms {
  readonly blocks: number
  readonly step?: number
}

/** Steps 1 to 8, and the funding in a block. */
export async function openChannel(
  stage: Stage,
  capacity: bigint,
  { blocks, step }: ChannelTerms
): Promise<ChannelInfo> {
  const { client, server } = stage
  const acknowledged = (): number => stage.steps.filter((one) => one.step === 8).length
  const before = acknowledged()
  const broadcast = await client.api.channels.open({
    peer: server.multiaddr,
    amount: satoshi(capacity),
    blocks,
    ...(step === undefined ? {} : { step }),
    wait: 'broadcast'
  })
  if (broadcast.funding === undefined) {
    throw new PaychanError('ERR_DEMO_FAILED', 'The channel has no funding.')
  }
  await stage.until('the initial T3 is acknowledged', async () => acknowledged() === before + 2)
  await stage.mine(1, [client, server])
  for (const { api } of [client, server]) {
    await stage.until(
      'the channel is open',
      async () => (await find(api.channels.list(), broadcast)).status === 'open'
    )
  }
  return await find(client.api.channels.list(), broadcast)
}

/*
 * The money of each side by the chain alone: its own scripts, from its own words, without any
 * report of a node.
 */

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
