/** Headers, proofs and histories of a server that lies. */
import assert from 'node:assert/strict'
import { SpendJudge } from '../../../src/bitcoin/owner-spend.js'
import { Transaction } from 'bitcoinjs-lib'
import { concat } from 'uint8arrays'
import { syncHeaders, type HeaderSource } from '../../../src/chain/header-sync.js'
import { HeaderChain } from '../../../src/chain/headers.js'
import { VerifiedHistory } from '../../../src/chain/history.js'
import { SharedFetches, UnprovedBudget } from '../../../src/chain/shared-costs.js'
import { checkMerkleProof } from '../../../src/chain/header.js'
import { chainParams, type ChainParams } from '../../../src/chain/params.js'
import { scriptHashOf } from '../../../src/chain/electrum/session.js'
import { fundingHistory } from '../../../src/engine/watches.js'
import { txid, txidFromHash, type Txid } from '../../../src/types/bytes.js'
import { FakeChain, hashOf, idOf } from '../../chain/fake-chain.js'
import { testScript } from '../../chain/helpers.js'
import { Choices } from '../mutations.js'
import { isRefusal, neverThrows, type Target, unlessRefused } from '../fuzzer.js'

const SCRIPT = testScript(1)
const HASH = scriptHashOf(SCRIPT)
const HEIGHT = 12

let honest: FakeChain | undefined
/**
 * What an honest server answers; to work it out anew for each question takes longer than all else.
 */
let answers:
  | {
      readonly history: ReturnType<FakeChain['history']>
      readonly transactions: ReadonlyMap<string, Uint8Array>
    }
  | undefined

function blocks(): FakeChain {
  if (honest !== undefined) return honest
  honest = new FakeChain()
  for (let n = 1; n <= HEIGHT; n++) {
    if (n % 3 === 0) honest.pay(SCRIPT, BigInt(n) * 1_000n)
    honest.mine()
  }
  const spend = new Transaction()
  const [paid] = honest.history(HASH)
  spend.addInput(honest.find(paid?.tx_hash ?? idOf(spend))?.getHash() ?? new Uint8Array(32), 0)
  spend.addOutput(testScript(2), 500n)
  honest.mempool.push(spend)
  return honest
}

function truth(): NonNullable<typeof answers> {
  if (answers !== undefined) return answers
  const chain = blocks()
  const all = [...chain.blocks.flatMap(({ transactions }) => transactions), ...chain.mempool]
  answers = {
    history: chain.history(HASH),
    transactions: new Map(
      all.map((transaction) => [idOf(transaction), Uint8Array.from(transaction.toBuffer())])
    )
  }
  return answers
}

const regtest = chainParams('regtest')
const NETWORKS: readonly [ChainParams, ...ChainParams[]] = [
  regtest,
  // As testnet, with work that a test can do.
  { ...regtest, network: 'testnet', fixedDifficulty: false },
  { ...regtest, network: 'signet', fixedDifficulty: false, minDifficultyBlocks: false }
]

export const CHAIN: Target = {
  name: 'chain',
  seeds: () => [
    new Uint8Array(0),
    ...Array.from({ length: 24 }, (_, n) =>
      Uint8Array.from({ length: 40 }, (_, at) => (at === n ? 1 + (n % 5) : 0))
    ),
    Uint8Array.from(blocks().blocks.flatMap(({ header }) => [...header]))
  ],
  run: async (input) => {
    const choices = new Choices(input)
    const params = choices.pick(NETWORKS)
    const known = blocks()
    const hasCheckpoint = choices.flag
    const headers = new HeaderChain(
      hasCheckpoint
        ? { ...params, checkpoint: { height: 5, hash: hashOf(known.header(5)) } }
        : params,
      undefined,
      () => 1_300_000_000_000
    )
    const source = liar(known, choices)
    try {
      await syncHeaders(headers, source, {
        height: choices.flag ? choices.uint32 : choices.pick([HEIGHT, HEIGHT - 1, 4, 0]),
        header: spoilt(known.header(HEIGHT), choices)
      })
      const before = headers.height
      const history = await new VerifiedHistory(SCRIPT, new UnprovedBudget()).load({
        source,
        headers,
        catchUp: async () => {},
        shared: new SharedFetches(),
        judge: new SpendJudge(() => choices.flag)
      })
      assert.ok(headers.height >= before)
      const [first] = history
      const outPoint = { txid: first?.transaction.txid ?? txid('ab'.repeat(32)), vout: 0 }
      neverThrows('the history of a channel', () => fundingHistory(history, outPoint))
    } catch (error) {
      if (!isRefusal(error)) throw error
    }
    unlessRefused(() => {
      checkMerkleProof(
        txidFromHash(known.header(1).slice(4, 36)),
        choices.byte,
        proofFrom(choices),
        known.header(1).slice(36, 68)
      )
    })
  }
}

/** Tells the truth where the choice is the first one. */
function liar(
  known: FakeChain,
  choices: Choices
): HeaderSource & {
  history: () => Promise<Array<{ txid: Txid; height: number | undefined }>>
  transaction: (id: Txid) => Promise<Uint8Array>
  merkleProof: (id: Txid, height: number) => Promise<{ merkle: Txid[]; pos: number }>
} {
  return {
    headers: async (start, count) =>
      spoilt(concat(known.blocks.slice(start, start + count).map(({ header }) => header)), choices),
    history: async () =>
      truth().history.flatMap(({ tx_hash: id, height }) => {
        switch (choices.byte) {
          case 1:
            return []
          case 2:
            return [
              {
                txid: id,
                height: choices.flag ? choices.uint32 : choices.pick([1, HEIGHT + 1, 0xffffffff])
              }
            ]
          case 3:
            return [{ txid: id, height: undefined }]
          case 4:
            return [
              { txid: txid('cd'.repeat(32)), height: choices.flag ? undefined : 3 },
              { txid: id, height: height > 0 ? height : undefined }
            ]
          default:
            return [{ txid: id, height: height > 0 ? height : undefined }]
        }
      }),
    transaction: async (id) => {
      const raw = truth().transactions.get(id) ?? choices.bytes(60)
      // More bytes for the number of inputs than it takes: the same transaction, and the same id.
      if (choices.byte === 1) {
        return Uint8Array.from([...raw.subarray(0, 4), 0xfd, raw[4] ?? 0, 0, ...raw.subarray(5)])
      }
      return spoilt(raw, choices)
    },
    merkleProof: async (id, height) =>
      choices.flag ? proofFrom(choices) : (known.proof(id, height) ?? proofFrom(choices))
  }
}

function spoilt(bytes: Uint8Array, choices: Choices): Uint8Array {
  const copy = bytes.slice()
  switch (choices.byte) {
    case 1:
      return copy.subarray(0, choices.byte)
    case 2:
      return Uint8Array.from([...copy, ...choices.bytes(80)])
    case 3: {
      copy[choices.uint32 % Math.max(1, copy.length)] = choices.byte
      return copy
    }
    case 4:
      return choices.bytes(choices.byte)
    default:
      return copy
  }
}

function proofFrom(choices: Choices): { merkle: Txid[]; pos: number } {
  return {
    merkle: Array.from({ length: choices.byte % 40 }, () =>
      txid(choices.byte.toString(16).padStart(2, '0').repeat(32))
    ),
    pos: choices.flag ? choices.uint32 : choices.pick([0, 1])
  }
}
