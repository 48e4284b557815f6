/**
 * Lines of an Electrum server: each request is answered with what was asked for, or refused; never
 * anything else.
 */
import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { Clock } from '../../../src/engine/ports.js'
import { ElectrumSession } from '../../../src/chain/electrum/session.js'
import { unavailable } from '../../../src/chain/electrum/rpc.js'
import {
  boundedEstimate,
  boundedRelayRates,
  FALLBACK_FEE_RATE,
  histogramRate
} from '../../../src/chain/fees.js'
import { txid } from '../../../src/types/bytes.js'
import { isRefusal, neverThrows, type Target, utf8 } from '../fuzzer.js'

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
