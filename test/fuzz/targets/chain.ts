/** Headers, proofs and histories of a server that lies. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { Transaction } from 'bitcoinjs-lib'
import { concat } from 'uint8arrays'
import { SpendJudge } from '../../../src/bitcoin/owner-spend.js'
import { unavailable } from '../../../src/chain/electrum/rpc.js'
import { ElectrumSession, scriptHashOf } from '../../../src/chain/electrum/session.js'
import {
  boundedEstimate,
  boundedRelayRates,
  FALLBACK_FEE_RATE,
  histogramRate
} from '../../../src/chain/fees.js'
import { type HeaderSource, syncHeaders } from '../../../src/chain/header-sync.js'
import { checkMerkleProof } from '../../../src/chain/header.js'
import { HeaderChain } from '../../../src/chain/headers.js'
import { VerifiedHistory } from '../../../src/chain/history.js'
import { chainParams, type ChainParams } from '../../../src/chain/params.js'
import { SharedFetches, UnprovedBudget } from '../../../src/chain/shared-costs.js'
import type { Clock } from '../../../src/engine/ports.js'
import { fundingHistory } from '../../../src/engine/watches.js'
import { txid, type Txid, txidFromHash } from '../../../src/types/bytes.js'
import { FakeChain, hashOf, idOf } from '../../chain/fake-chain.js'
import { testScript } from '../../chain/helpers.js'
import { isRefusal, neverThrows, type Target, unlessRefused, utf8 } from '../fuzzer.js'
import { Choices } from '../mutations.js'

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

/*
 * Lines of an Electrum server: each request is answered with what was asked for, or refused; never
 * anything else.
 */

const stillClock: Clock = { now: () => 0, after: () => () => {} }
const ID = txid('ab'.repeat(32))
const HEADER = '00'.repeat(80)

/** As `net.Socket`, as far as the connection uses it. */
class DeafSocket extends EventEmitter {
  write(): boolean {
    return true
  }
  destroy(): void {}
}

const ANSWERS: readonly unknown[] = [
  ['a server', '1.6'],
  { height: 5, hex: HEADER },
  { count: 1, hex: HEADER },
  { count: 1, headers: [HEADER] },
  null,
  'status',
  [
    { tx_hash: ID, height: 5 },
    { tx_hash: ID, height: -1 }
  ],
  '00',
  { merkle: [ID], pos: 1 },
  ID,
  { success: false, errors: [{ txid: ID, error: 'no' }] },
  0.00001,
  -1,
  Number.MAX_VALUE,
  [
    [1.5, 20_000],
    [1e300, 1]
  ],
  { mempoolminfee: 0.00001, incrementalrelayfee: 0.00001 },
  0.5
]

export const ELECTRUM: Target = {
  name: 'electrum',
  words: [
    '"id":',
    '"result":',
    '"error":',
    '"method":',
    '"params":',
    '\n',
    'null',
    '{',
    '[',
    ']',
    '}',
    '1e999',
    '-1',
    '0.00001',
    JSON.stringify(ANSWERS),
    `"${ID}"`,
    `"${HEADER}"`
  ],
  seeds: () => [
    ...ANSWERS.map((result) =>
      utf8(
        Array.from(
          { length: 14 },
          (_, id) => JSON.stringify({ jsonrpc: '2.0', id, result }) + '\n'
        ).join('')
      )
    ),
    utf8(
      JSON.stringify({ id: 1, error: { code: 1, message: 'min relay fee not met\u0007' } }) +
        '\n' +
        JSON.stringify({ id: 2, error: 'busy' }) +
        '\n'
    ),
    utf8(
      JSON.stringify({
        method: 'blockchain.headers.subscribe',
        params: [{ height: 5, hex: HEADER }]
      }) +
        '\n' +
        JSON.stringify({ method: 'blockchain.scripthash.subscribe', params: [ID, null] }) +
        '\n'
    )
  ],
  run: async (input) => {
    const socket = new DeafSocket()
    const session = new ElectrumSession(
      socket as unknown as Socket,
      { clock: stillClock, requestTimeout: 1_000, maxLineBytes: 4_096 },
      { onTip: () => {}, onStatus: () => {} }
    )
    const shaking = session.handshake('a client')
    // Every other input meets what only a newer version has.
    if (input.length % 2 === 1) {
      socket.emit(
        'data',
        Buffer.from(JSON.stringify({ id: 0, result: ['a server', '1.6'] }) + '\n')
      )
    }
    if (input.length % 2 === 1) await shaking
    const asked = [
      shaking,
      session.subscribeHeaders(),
      session.headers(0, 1),
      session.subscribeScript(ID),
      session.history(ID),
      session.transaction(ID),
      session.merkleProof(ID, 5),
      session.broadcast(new Uint8Array(4)),
      ...(session.has('blockchain.transaction.broadcast_package')
        ? [session.broadcastPackage([new Uint8Array(4)])]
        : []),
      session.estimateFee(6).then(judged),
      session
        .feeHistogram()
        .then((histogram) => neverThrows('the histogram', () => histogramRate(histogram, 6))),
      session.relayFees().then((fees) => {
        judged(fees.minimum)
        neverThrows('the relay rates', () => boundedRelayRates(fees))
      }),
      session.ping()
    ]
    const half = input.length >> 1
    neverThrows('a line', () => {
      socket.emit('data', Buffer.from(input.subarray(0, half)))
      socket.emit('data', Buffer.from(input.subarray(half)))
    })
    session.close(unavailable('The test is over.'))
    for (const outcome of await Promise.allSettled(asked)) {
      if (outcome.status === 'rejected' && !isRefusal(outcome.reason)) throw outcome.reason
    }
    if (!isRefusal(await session.closed)) throw await session.closed
  }
}

function judged(answer: number): void {
  neverThrows('the estimate', () =>
    boundedEstimate({ answer, relayFee: answer, lastGood: undefined, fallback: FALLBACK_FEE_RATE })
  )
}
