/** Vectors of T2, T3 and the close, and of what a side makes of a spend (spec.md, section 15). */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import {
  closeOutputs,
  closeSighash,
  type CloseTerms,
  closeVsize,
  completeClose
} from '../../../src/bitcoin/closing.js'
import { SIGHASH, toDer } from '../../../src/bitcoin/ecdsa.js'
import { fundingSpendVsize } from '../../../src/bitcoin/funding-spend.js'
import { refundTemplate, unsignedRefund } from '../../../src/bitcoin/refund.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from '../../../src/bitcoin/scripts.js'
import {
  completeState,
  payerOutput,
  payerSighash,
  type StateTemplate,
  stateVsize
} from '../../../src/bitcoin/template.js'
import type { TxOutput } from '../../../src/bitcoin/transaction.js'
import { toHex } from '../../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../../src/types/units.js'
import {
  CAPACITY,
  CLIENT_SCRIPT,
  FUNDING,
  FUNDING_JSON,
  highS,
  KEYS,
  outputJson,
  REFUND_HEIGHT,
  SERVER_SCRIPT,
  summary,
  VERSION
} from './fixture.js'
import type { Vectors } from './schema.js'

const { clientChannel, serverChannel, clientPayout, serverPayout } = KEYS
type Signed = Vectors<'refund.json'>['server']

/** What a side signed, as the files write it. */
function signedJson(sighashType: number, sighash: Uint8Array, signature: Uint8Array): Signed {
  return { sighashType, sighash: toHex(sighash), signature: toHex(signature) }
}

/** Signs a state by both sides. */
function signState(
  t: StateTemplate,
  payeeOutputs: readonly TxOutput[]
): { raw: Uint8Array; payer: Signed; payee: Signed } {
  const [payerKey, payeeKey] =
    t.payer === 'client' ? [clientChannel, serverChannel] : [serverChannel, clientChannel]
  const digest = payerSighash(t)
  const signature = payerKey.sign(digest)
  let payee: Signed | undefined
  const { raw } = completeState(t, signature, payeeOutputs, (all) => {
    const signed = payeeKey.sign(all)
    payee = signedJson(SIGHASH.ALL, all, signed)
    return signed
  })
  assert.ok(payee)
  const type = (payerOutput(t) === undefined ? SIGHASH.NONE : SIGHASH.SINGLE) | SIGHASH.ANYONECANPAY
  return { raw, payer: signedJson(type, digest, signature), payee }
}

export function refundVectors(): Vectors<'refund.json'> {
  const t = refundTemplate(FUNDING, VERSION, REFUND_HEIGHT, serverPayout.publicKey)
  const output = { script: CLIENT_SCRIPT, value: satoshi(999_000n) }
  const { raw, payer, payee } = signState(t, [output])
  const good = Buffer.from(payer.signature, 'hex')
  const refused = (
    name: string,
    code: string,
    change: (tx: bitcoin.Transaction) => void
  ): Vectors<'refund.json'>['refuse'][number] => {
    const tx = bitcoin.Transaction.fromBuffer(unsignedRefund(t, output))
    change(tx)
    return { name, code, raw: tx.toHex() }
  }
  const unsigned = toHex(unsignedRefund(t, output))
  return {
    description:
      'T2, the refund: the server signs NONE|ANYONECANPAY (input and lock, not the output); the client adds ALL. "refuse": unsigned T2s that a server with these terms must not sign. "refuseSignatures": what the client must not accept as the server\'s signature.',
    funding: FUNDING_JSON,
    terms: { version: VERSION, refundHeight: REFUND_HEIGHT },
    unsigned,
    server: payer,
    complete: {
      output: outputJson(output),
      client: payee,
      ...summary(raw),
      worstVsize: stateVsize(t, [CLIENT_SCRIPT])
    },
    refuse: [
      { name: 'empty', code: 'ERR_REFUND_MALFORMED', raw: '' },
      { name: 'cut off by one byte', code: 'ERR_REFUND_MALFORMED', raw: unsigned.slice(0, -2) },
      { name: 'a byte after the end', code: 'ERR_REFUND_MALFORMED', raw: unsigned + '00' },
      {
        name: 'number of inputs in three bytes',
        code: 'ERR_REFUND_MALFORMED',
        raw: unsigned.replace(/^0300000001/, '03000000fd0100')
      },
      refused('with a witness', 'ERR_REFUND_MALFORMED', (tx) =>
        tx.setWitness(0, [Uint8Array.of(1)])
      ),
      refused('with a scriptSig', 'ERR_REFUND_MALFORMED', (tx) =>
        tx.setInputScript(0, Uint8Array.of(0x51))
      ),
      refused('two inputs', 'ERR_REFUND_INPUTS', (tx) =>
        tx.addInput(new Uint8Array(32).fill(0xbb), 0, 0xfffffffd)
      ),
      refused('one block earlier', 'ERR_REFUND_LOCK', (tx) => {
        tx.locktime = REFUND_HEIGHT - 1
      }),
      refused('one block later', 'ERR_REFUND_LOCK', (tx) => {
        tx.locktime = REFUND_HEIGHT + 1
      }),
      refused('no lock', 'ERR_REFUND_LOCK', (tx) => {
        tx.locktime = 0
      }),
      refused('a time instead of a height', 'ERR_REFUND_LOCK', (tx) => {
        tx.locktime = 1_700_000_000
      }),
      refused('a final sequence, which switches the lock off', 'ERR_REFUND_SEQUENCE', (tx) => {
        for (const input of tx.ins) input.sequence = 0xffffffff
      }),
      refused('a sequence that forbids replacement', 'ERR_REFUND_SEQUENCE', (tx) => {
        for (const input of tx.ins) input.sequence = 0xfffffffe
      }),
      refused('version 2', 'ERR_REFUND_VERSION', (tx) => {
        tx.version = 2
      }),
      refused('no output', 'ERR_REFUND_OUTPUTS', (tx) => {
        tx.outs = []
      })
    ],
    refuseSignatures: [
      { name: 'high S', code: 'ERR_BAD_REFUND_SIGNATURE', signature: toHex(highS(good)) },
      {
        name: "under the client's key",
        code: 'ERR_BAD_REFUND_SIGNATURE',
        signature: toHex(clientChannel.sign(payerSighash(t)))
      },
      {
        name: 'for one block later',
        code: 'ERR_BAD_REFUND_SIGNATURE',
        signature: toHex(
          serverChannel.sign(payerSighash({ ...t, lock: blockHeight(REFUND_HEIGHT + 1) }))
        )
      },
      {
        name: 'for the other output of T1',
        code: 'ERR_BAD_REFUND_SIGNATURE',
        signature: toHex(
          serverChannel.sign(
            payerSighash({
              ...t,
              funding: { ...FUNDING, outPoint: { ...FUNDING.outPoint, vout: 0 } }
            })
          )
        )
      },
      {
        name: 'for another capacity',
        code: 'ERR_BAD_REFUND_SIGNATURE',
        signature: toHex(
          serverChannel.sign(
            payerSighash({ ...t, funding: { ...FUNDING, value: satoshi(999_999n) } })
          )
        )
      }
    ]
  }
}

export function stateVectors(): Vectors<'state.json'> {
  const oneWay = (payerBalance: bigint): StateTemplate => ({
    funding: FUNDING,
    version: VERSION,
    lock: blockHeight(0),
    payer: 'client',
    payerBalance: satoshi(payerBalance),
    payerPayoutKey: clientPayout.publicKey
  })
  // Turn 1 of a two-way channel: lock = L - 2 x step, the server pays.
  const twoWay: StateTemplate = {
    ...oneWay(250_000n),
    payer: 'server',
    lock: blockHeight(REFUND_HEIGHT - 2 * 144),
    payerPayoutKey: serverPayout.publicKey
  }
  const terms = (
    t: StateTemplate
  ): {
    payer: typeof t.payer
    version: number
    lock: number
    payerBalance: number
    payerPayoutKey: string
  } => ({
    payer: t.payer,
    version: t.version,
    lock: t.lock,
    payerBalance: Number(t.payerBalance),
    payerPayoutKey: toHex(t.payerPayoutKey)
  })
  const toPayee = (value: bigint, script = SERVER_SCRIPT): TxOutput => ({
    script,
    value: satoshi(value)
  })

  const accepted = (
    name: string,
    t: StateTemplate,
    payeeOutputs: readonly TxOutput[]
  ): Vectors<'state.json'>['cases'][number] => {
    const { raw, payer, payee } = signState(t, payeeOutputs)
    const own = payerOutput(t)
    return {
      name,
      ...terms(t),
      output0: own === undefined ? null : outputJson(own),
      payeeOutputs: payeeOutputs.map(outputJson),
      payerSigned: payer,
      payeeSigned: payee,
      ...summary(raw),
      worstVsize: stateVsize(
        t,
        payeeOutputs.map(({ script }) => script)
      )
    }
  }
  const refused = (
    name: string,
    t: StateTemplate,
    payeeOutputs: readonly TxOutput[]
  ): Vectors<'state.json'>['refuse'][number] => ({
    name,
    code: 'ERR_STATE_INVALID',
    ...terms(t),
    payeeOutputs: payeeOutputs.map(outputJson)
  })
  const badSignature = (
    name: string,
    t: StateTemplate,
    signature: Uint8Array
  ): Vectors<'state.json'>['refuseSignatures'][number] => ({
    name,
    code: 'ERR_BAD_SIGNATURE',
    ...terms(t),
    signature: toHex(signature)
  })

  const paid = oneWay(600_000n)
  const sign = (t: StateTemplate): Uint8Array => clientChannel.sign(payerSighash(t))
  const replaced = (change: Partial<StateTemplate>): Uint8Array => sign({ ...paid, ...change })
  return {
    description:
      'States (T3, and a turn of a two-way channel): the payer signs SINGLE|ANYONECANPAY, or NONE|ANYONECANPAY when its balance is below 330 sat and output 0 is left out; the payee adds outputs and signs ALL. vsize is that of raw, worstVsize that with the longest signatures. "refuse": outputs that the payee must not publish. "refuseSignatures": what the payee must not accept as the payer\'s signature of the state given.',
    funding: FUNDING_JSON,
    cases: [
      accepted('T3 after 400000 sat were paid, at a fee of 1000 sat', paid, [toPayee(399_000n)]),
      accepted(
        "the same state, published again at a fee of 5000 sat: the payer's signature is the same",
        paid,
        [toPayee(395_000n)]
      ),
      accepted("the first payment: the payee's share barely covers an output", oneWay(999_500n), [
        toPayee(294n)
      ]),
      accepted('the payee gives its whole share to the fee', oneWay(999_500n), []),
      accepted('331 sat left: one above the dust limit', oneWay(331n), [toPayee(999_000n)]),
      accepted('330 sat left: the dust limit, output 0 stays', oneWay(330n), [toPayee(999_000n)]),
      accepted('329 sat left: below the dust limit, output 0 is left out', oneWay(329n), [
        toPayee(999_000n)
      ]),
      accepted(
        "nothing left: all to the payee; the payer's signature is that for 329 sat",
        oneWay(0n),
        [toPayee(999_000n)]
      ),
      accepted('the payee uses two outputs', paid, [
        toPayee(300_000n),
        toPayee(99_000n, Uint8Array.from([0x51, 32, ...new Uint8Array(32).fill(7)]))
      ]),
      accepted('two-way, turn 1: the server pays, locked until L - 2 x 144', twoWay, [
        toPayee(749_000n, CLIENT_SCRIPT)
      ])
    ],
    refuse: [
      refused('one satoshi more than the channel has', paid, [toPayee(400_001n)]),
      refused('output 0 alone is more than the channel has', oneWay(1_000_001n), []),
      refused('an output of the payee is dust', paid, [toPayee(293n)]),
      refused('no output at all', oneWay(329n), [])
    ],
    refuseSignatures: [
      badSignature("for one satoshi more of the payer's", paid, sign(oneWay(600_001n))),
      badSignature("for one satoshi less of the payer's", paid, sign(oneWay(599_999n))),
      badSignature('330 sat: a signature for 329 sat', oneWay(330n), sign(oneWay(329n))),
      badSignature('329 sat: a signature for 330 sat', oneWay(329n), sign(oneWay(330n))),
      badSignature('high S', paid, highS(sign(paid))),
      badSignature("under the payee's key", paid, serverChannel.sign(payerSighash(paid))),
      badSignature('with a lock', paid, replaced({ lock: REFUND_HEIGHT })),
      badSignature('for version 2', paid, replaced({ version: 2 })),
      badSignature(
        'to another payout key',
        paid,
        replaced({ payerPayoutKey: serverPayout.publicKey })
      ),
      badSignature(
        'of another channel between the same keys',
        paid,
        replaced({ funding: { ...FUNDING, outPoint: { ...FUNDING.outPoint, vout: 0 } } })
      ),
      badSignature(
        'for another capacity',
        paid,
        replaced({ funding: { ...FUNDING, value: satoshi(1_000_001n) } })
      )
    ]
  }
}

export function closeVectors(): Vectors<'close.json'> {
  const terms = (
    clientBalance: bigint,
    fee: bigint,
    feePayer: CloseTerms['feePayer'],
    changes: Partial<CloseTerms> = {}
  ): CloseTerms => ({
    funding: FUNDING,
    version: VERSION,
    clientBalance: satoshi(clientBalance),
    serverBalance: satoshi(1_000_000n - clientBalance),
    clientScript: CLIENT_SCRIPT,
    serverScript: SERVER_SCRIPT,
    fee: satoshi(fee),
    feePayer,
    ...changes
  })
  const json = (c: CloseTerms): Omit<Vectors<'close.json'>['refuse'][number], 'name' | 'code'> => ({
    version: c.version,
    clientBalance: Number(c.clientBalance),
    serverBalance: Number(c.serverBalance),
    clientScript: toHex(c.clientScript),
    serverScript: toHex(c.serverScript),
    fee: Number(c.fee),
    feePayer: c.feePayer
  })
  const accepted = (name: string, c: CloseTerms): Vectors<'close.json'>['cases'][number] => {
    const { outputs, fee } = closeOutputs(c)
    const digest = closeSighash(c)
    const [client, server] = [clientChannel.sign(digest), serverChannel.sign(digest)]
    return {
      name,
      ...json(c),
      outputs: outputs.map(outputJson),
      paidFee: Number(fee),
      sighash: toHex(digest),
      clientSignature: toHex(client),
      serverSignature: toHex(server),
      ...summary(completeClose(c, client, server).raw),
      worstVsize: fundingSpendVsize(outputs.map(({ script }) => script)),
      feeVsize: closeVsize(c.clientScript, c.serverScript)
    }
  }
  const refused = (
    name: string,
    code: string,
    c: CloseTerms
  ): Vectors<'close.json'>['refuse'][number] => ({ name, code, ...json(c) })
  const half = terms(600_000n, 500n, 'client')
  const badSignature = (
    name: string,
    signed: CloseTerms
  ): Vectors<'close.json'>['refuseSignatures'][number] => ({
    name,
    code: 'ERR_BAD_SIGNATURE',
    ...json(half),
    signer: 'client',
    signature: toHex(clientChannel.sign(closeSighash(signed)))
  })
  return {
    description:
      'The cooperative close: no lock, the client\'s output first, the fee from the asker (feePayer). An output below its dust limit is left out and goes to the fee, so paidFee may be above fee. Both sign ALL. feeVsize has both outputs, present or not: what CLOSE-4 multiplies. "refuse": terms that nobody must sign. "refuseSignatures": what the other side must not accept for the terms given.',
    funding: FUNDING_JSON,
    cases: [
      accepted('the client asks', half),
      accepted('the server asks', terms(600_000n, 500n, 'server')),
      accepted(
        'to P2TR and P2PKH',
        terms(600_000n, 500n, 'client', {
          clientScript: Uint8Array.from([0x51, 32, ...new Uint8Array(32).fill(7)]),
          serverScript: Uint8Array.from([0x76, 0xa9, 20, ...new Uint8Array(20).fill(7), 0x88, 0xac])
        })
      ),
      accepted("the client's output is exactly its dust limit", terms(794n, 500n, 'client')),
      accepted(
        "the client's output is one below its dust limit and goes to the fee",
        terms(793n, 500n, 'client')
      ),
      accepted('the client has just the fee', terms(500n, 500n, 'client')),
      accepted("the server's output is dust and goes to the fee", terms(999_707n, 500n, 'client')),
      accepted('nothing was paid', terms(1_000_000n, 500n, 'client')),
      accepted('everything was paid; the server asks', terms(0n, 500n, 'server'))
    ],
    refuse: [
      refused('the client cannot pay the fee', 'ERR_CLOSE_TOO_POOR', terms(499n, 500n, 'client')),
      refused(
        'the server cannot pay the fee',
        'ERR_CLOSE_TOO_POOR',
        terms(999_501n, 500n, 'server')
      ),
      refused('no output is left', 'ERR_CLOSE_EMPTY', terms(1_000_000n, 999_707n, 'client')),
      refused(
        'the balances are more than the channel',
        'ERR_CLOSE_BALANCES',
        terms(600_000n, 500n, 'client', { serverBalance: satoshi(400_001n) })
      ),
      refused(
        'the balances are less than the channel',
        'ERR_CLOSE_BALANCES',
        terms(600_000n, 500n, 'client', { serverBalance: satoshi(399_999n) })
      )
    ],
    refuseSignatures: [
      badSignature('for another fee', { ...half, fee: satoshi(501n) }),
      badSignature('for other balances', terms(600_001n, 500n, 'client')),
      badSignature('with the fee from the other side', terms(600_000n, 500n, 'server')),
      badSignature('to another script', { ...half, serverScript: CLIENT_SCRIPT }),
      {
        name: 'high S',
        code: 'ERR_BAD_SIGNATURE',
        ...json(half),
        signer: 'client',
        signature: toHex(highS(clientChannel.sign(closeSighash(half))))
      },
      {
        name: "under the other side's key",
        code: 'ERR_BAD_SIGNATURE',
        ...json(half),
        signer: 'client',
        signature: toHex(serverChannel.sign(closeSighash(half)))
      }
    ]
  }
}

/*
 * Vectors of what a side makes of a transaction that spends the funding output (spec.md, section
 * 15).
 */

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
