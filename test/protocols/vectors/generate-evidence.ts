/**
 * Vectors of what a side makes of a transaction that spends the funding output (spec.md, section
 * 15).
 */
import * as bitcoin from 'bitcoinjs-lib'
import { SIGHASH, toDer } from '../../../src/bitcoin/ecdsa.js'
import { completeState, payerSighash, type StateTemplate } from '../../../src/bitcoin/template.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from '../../../src/bitcoin/scripts.js'
import { toHex } from '../../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../../src/types/units.js'
import {
  CAPACITY,
  CLIENT_SCRIPT,
  FUNDING,
  FUNDING_JSON,
  KEYS,
  REFUND_HEIGHT,
  SERVER_SCRIPT,
  VERSION
} from './fixture.js'
import type { Vectors } from './schema.js'

const { clientChannel, serverChannel, clientPayout, serverPayout } = KEYS
const STEP = 144
const HEIGHT = 800

type Case = Vectors<'spends.json'>['cases'][number]

/** The payer signs as the template says; the payee adds what it likes, and signs all. */
function spendOf(
  t: StateTemplate,
  change: (tx: bitcoin.Transaction) => void = () => {},
  forge?: 'payer'
): string {
  const [payer, payee] =
    t.payer === 'client' ? [clientChannel, serverChannel] : [serverChannel, clientChannel]
  const script = t.payer === 'client' ? SERVER_SCRIPT : CLIENT_SCRIPT
  const share = CAPACITY - (t.payerBalance < 330n ? 0n : t.payerBalance)
  const tx = bitcoin.Transaction.fromBuffer(
    completeState(
      t,
      payer.sign(payerSighash(t)),
      [{ script, value: satoshi(share - 1_000n) }],
      payee.sign
    ).raw
  )
  change(tx)
  const index = tx.ins.findIndex(({ witness }) => witness.length === 4)
  const witness = [...(tx.ins[index]?.witness ?? [])]
  const witnessScript = fundingWitnessScript(FUNDING.clientKey, FUNDING.serverKey)
  const all = toDer(
    payee.sign(tx.hashForWitnessV0(index, witnessScript, CAPACITY, SIGHASH.ALL)),
    SIGHASH.ALL
  )
  witness[t.payer === 'client' ? 2 : 1] = all
  if (forge !== undefined) witness[t.payer === 'client' ? 1 : 2] = all
  tx.setWitness(index, witness)
  return toHex(tx.toBuffer())
}

/**
 * Another input of the payee, with a witness that nobody has checked; what it is worth goes to the
 * fee.
 */
function addInput(tx: bitcoin.Transaction): void {
  tx.addInput(new Uint8Array(32).fill(0x99), 0, 0xfffffffd)
  tx.setWitness(tx.ins.length - 1, [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)])
}

export function evidenceVectors(): Vectors<'spends.json'> {
  const T3 = (payerBalance: bigint): StateTemplate => ({
    funding: FUNDING,
    version: VERSION,
    lock: blockHeight(0),
    payer: 'client',
    payerBalance: satoshi(payerBalance),
    payerPayoutKey: clientPayout.publicKey
  })
  const turn = (k: number, payerBalance: bigint): StateTemplate => ({
    ...T3(payerBalance),
    lock: blockHeight(REFUND_HEIGHT - (k + 1) * STEP),
    ...(k % 2 === 0 ? {} : { payer: 'server', payerPayoutKey: serverPayout.publicKey })
  })
  const T2: StateTemplate = {
    ...T3(0n),
    lock: REFUND_HEIGHT,
    payer: 'server',
    payerPayoutKey: serverPayout.publicKey
  }
  const gift = p2wsh(payoutWitnessScript(clientPayout.publicKey))
  const oneWay = (
    name: string,
    raw: string,
    known: Pick<Case, 'turn' | 'clientBalance'>,
    counts = true,
    signedByBoth = true
  ): Case => ({ name, oneWay: true, raw, ...known, signedByBoth, counts })
  const twoWay = (
    name: string,
    raw: string,
    known: Pick<Case, 'turn' | 'clientBalance'>,
    counts: boolean
  ): Case => ({ ...oneWay(name, raw, known, counts), oneWay: false })
  return {
    description:
      'What a side makes of a transaction that spends the funding output (spec.md, section 15): "turn" and "clientBalance" by EVID-2 (null: no state), "counts" by EVID-3 at the tip of "height", while T1 is in a block and the transaction is not. "oneWay": by the terms of a one-way channel, else of a two-way channel whose turns are "step" blocks apart. "signedByBoth": whether both signatures are valid; what is not signed by both does not count (TIME-8), whatever it looks like.',
    funding: FUNDING_JSON,
    terms: { refundHeight: REFUND_HEIGHT, step: STEP },
    height: HEIGHT,
    cases: [
      oneWay('T3 that leaves the client 600000 sat', spendOf(T3(600_000n)), {
        turn: 0,
        clientBalance: 600_000
      }),
      oneWay('T3 that leaves the client 330 sat, the least that is an output', spendOf(T3(330n)), {
        turn: 0,
        clientBalance: 330
      }),
      oneWay('T3 that leaves the client dust: nothing', spendOf(T3(329n)), {
        turn: 0,
        clientBalance: 0
      }),
      oneWay(
        "the same, with 330 sat of the server's to the client's payout script beside the input: still nothing",
        spendOf(T3(329n), (tx) => {
          tx.outs.unshift({ script: gift, value: 330n })
          const [, last] = tx.outs
          if (last !== undefined) last.value -= 330n
        }),
        { turn: 0, clientBalance: 0 }
      ),
      oneWay(
        'the same, with more than the capacity there, out of another input: still nothing',
        spendOf(T3(329n), (tx) => {
          addInput(tx)
          tx.outs.unshift({ script: gift, value: 2_000_000n })
        }),
        { turn: 0, clientBalance: 0 },
        false
      ),
      oneWay(
        'T3 with another input: a state, but of unknown fee',
        spendOf(T3(600_000n), addInput),
        { turn: 0, clientBalance: 600_000 },
        false
      ),
      oneWay(
        'T2, 200 blocks before its lock',
        spendOf(T2),
        { turn: -1, clientBalance: 1_000_000 },
        false
      ),
      oneWay(
        "T3 whose payer's signature is another one",
        spendOf(T3(600_000n), () => {}, 'payer'),
        { turn: null, clientBalance: null },
        false,
        false
      ),
      twoWay(
        'turn 1, matured',
        spendOf(turn(1, 250_000n)),
        { turn: 1, clientBalance: 750_000 },
        true
      ),
      twoWay(
        'turn 0, 56 blocks before its lock',
        spendOf(turn(0, 100_000n)),
        { turn: 0, clientBalance: 100_000 },
        false
      ),
      twoWay(
        'a lock that no turn has',
        spendOf({ ...turn(1, 250_000n), lock: blockHeight(713) }),
        { turn: null, clientBalance: null },
        true
      )
    ]
  }
}
