/**
 * Vectors of a renewal: T1 that spends the funding output of the other files, and what protects
 * both sides in the new channel.
 */
import * as bitcoin from 'bitcoinjs-lib'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { fundingScript } from '../../../src/bitcoin/funding.js'
import { FUNDING_WITNESS_BYTES } from '../../../src/bitcoin/funding-spend.js'
import { refundTemplate, unsignedRefund } from '../../../src/bitcoin/refund.js'
import { buildRenewal, completeRenewal, renewalSighash } from '../../../src/bitcoin/renewal.js'
import { segwitVsize } from '../../../src/bitcoin/sizes.js'
import { payerOutput, payerSighash, type FundingOutput } from '../../../src/bitcoin/template.js'
import { hashFromTxid, toHex, txid, type OutPoint } from '../../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../../src/types/units.js'
import {
  CLIENT_SCRIPT,
  FUNDING,
  FUNDING_JSON,
  key,
  KEYS,
  ORIGIN,
  outputJson,
  p2wpkh,
  scriptCode,
  stripped,
  summary,
  unsignedFunding,
  VERSION,
  type Key
} from './fixture.js'
import type { Vectors } from './schema.js'

/** The new channel's keys. */
const NEW = { clientChannel: key(0x77), serverChannel: key(0x88), serverPayout: key(0x99) }
const SCRIPT = fundingScript(NEW.clientChannel.publicKey, NEW.serverChannel.publicKey)
const SERVER_BALANCE = satoshi(400_000n)
const L = blockHeight(2_000)
const LOCK = blockHeight(900)

const keyJson = ({ privateKey, publicKey }: Key): { privateKey: string; publicKey: string } => ({
  privateKey: toHex(privateKey),
  publicKey: toHex(publicKey)
})

/** A transaction that pays a coin of 300,000 sat to a script. */
function origin(script: Uint8Array, number = 0): bitcoin.Transaction {
  const tx = new bitcoin.Transaction()
  tx.version = 2
  tx.addInput(new Uint8Array(32).fill(0xdd), number)
  tx.addOutput(script, 300_000n)
  return tx
}

/** What the server lets T1 be: H, the end of coins beside, and the feerates in sat/kvB. */
const BOUNDS = { height: LOCK, lastPaymentHeight: LOCK + 1, leastRate: 2_000, mostRate: 20_000 }

/** What a T1 that holds to every rule is changed in. */
interface Change {
  readonly coins?: ReadonlyArray<readonly [tx: bitcoin.Transaction, vout: number]>
  readonly fee?: bigint
  readonly lock?: number
  /** nSequence of the old input and of the coins. */
  readonly sequences?: readonly [old: number, coin: number]
  readonly change?: readonly Uint8Array[]
  readonly changeValue?: bigint
}

const SIX_COINS = Array.from({ length: 6 }, (_, i) => [origin(p2wpkh(KEYS.wallet), i), 0] as const)
const WALLET_SCRIPT = p2wpkh(KEYS.wallet)

/**
 * T1 with coins of the wallet of 300,000 sat, signed, beside the old funding output: 200,000 sat
 * more, the fee, change.
 */
function topUp({
  coins = [[ORIGIN, 2]],
  fee = 1_000n,
  lock = LOCK,
  sequences = [0xfffffffd, 0xfffffffd],
  change = [WALLET_SCRIPT],
  changeValue
}: Change = {}): { raw: Uint8Array; outPoint: OutPoint } {
  const tx = new bitcoin.Transaction()
  tx.version = VERSION
  tx.locktime = lock
  tx.addInput(hashFromTxid(FUNDING.outPoint.txid), FUNDING.outPoint.vout, sequences[0])
  for (const [coin, vout] of coins) tx.addInput(coin.getHash(), vout, sequences[1])
  const left = 300_000n * BigInt(coins.length) - 200_000n - fee
  for (const [i, script] of change.entries()) {
    tx.addOutput(script, i === 0 ? (changeValue ?? left) - 294n * BigInt(change.length - 1) : 294n)
  }
  tx.addOutput(SCRIPT, 1_200_000n + (changeValue === undefined ? 0n : left - changeValue))
  for (const i of coins.keys()) {
    const signature = KEYS.wallet.sign(
      tx.hashForWitnessV0(
        1 + i,
        scriptCode(WALLET_SCRIPT),
        300_000n,
        bitcoin.Transaction.SIGHASH_ALL
      )
    )
    tx.setWitness(1 + i, [
      bitcoin.script.signature.encode(signature, bitcoin.Transaction.SIGHASH_ALL),
      KEYS.wallet.publicKey
    ])
  }
  return { raw: tx.toBuffer(), outPoint: { txid: txid(tx.getId()), vout: change.length } }
}

/** One with a coin of another script. */
function beside(script: Uint8Array): { raw: string; previous: string[] } {
  const coin = origin(script)
  return { raw: toHex(topUp({ coins: [[coin, 0]] }).raw), previous: [coin.toHex()] }
}

type Case = Vectors<'renewal.json'>['cases'][number]

function renewed(
  name: string,
  { raw, outPoint }: { raw: Uint8Array; outPoint: OutPoint },
  capacity: bigint,
  previous: bitcoin.Transaction[],
  worstVsize: number
): Case {
  const sighash = renewalSighash(parseTransaction(raw), FUNDING)
  const [client, server] = [KEYS.clientChannel.sign(sighash), KEYS.serverChannel.sign(sighash)]
  return {
    name,
    previous: previous.map(stripped),
    unsigned: toHex(raw),
    outPoint,
    scriptPubKey: toHex(SCRIPT),
    capacity: Number(capacity),
    sighash: toHex(sighash),
    clientSignature: toHex(client),
    serverSignature: toHex(server),
    ...summary(completeRenewal(parseTransaction(raw), FUNDING, client, server).raw),
    worstVsize
  }
}

export function renewalVectors(): Vectors<'renewal.json'> {
  const capacity = satoshi(999_700n)
  const plain = buildRenewal(FUNDING, SCRIPT, capacity, LOCK)
  const funding: FundingOutput = {
    outPoint: plain.outPoint,
    value: capacity,
    clientKey: NEW.clientChannel.publicKey,
    serverKey: NEW.serverChannel.publicKey
  }
  const t2 = refundTemplate(funding, VERSION, L, NEW.serverPayout.publicKey, SERVER_BALANCE)
  const own = payerOutput(t2)
  const payerBalance = satoshi(capacity - SERVER_BALANCE)
  const initial = payerSighash({
    funding,
    version: VERSION,
    lock: blockHeight(0),
    payer: 'client',
    payerBalance,
    payerPayoutKey: KEYS.clientPayout.publicKey
  })
  const altered = (change: (tx: bitcoin.Transaction) => void): string => {
    const tx = bitcoin.Transaction.fromBuffer(Uint8Array.from(plain.raw))
    change(tx)
    return tx.toHex()
  }
  const shown = [stripped(ORIGIN)]
  const sevenCoins = [...SIX_COINS, [origin(WALLET_SCRIPT, 6), 0] as const]
  const toppedUp = (coins: number): number =>
    segwitVsize(
      [FUNDING_WITNESS_BYTES, ...Array.from({ length: coins }, () => 108)],
      [SCRIPT, WALLET_SCRIPT]
    )
  return {
    description:
      'A renewal (spec.md, section 13): T1 spends the funding output of the other files, in which the server has 400000 sat, and funds a one-way channel between new keys (the client\'s payout key is the old one). "cases": T1 without and with a coin of the wallet; "unsigned" lacks the witness of the old funding output, which both sign with ALL under the old keys; "previous": the transactions of its other coins, without witnesses. "refund" and "initial": what the server and the client sign in the new channel of the first case, before either signs T1. "bounds": what the server judges by: the height, the last height for payments, the least feerate and the feerate at which 600 vB cost the highest fee (sat/kvB). "refuse": a T1 and the transactions shown for it that the server must not sign, at another "height" where one is named; each breaks one rule.',
    old: FUNDING_JSON,
    keys: {
      clientChannel: keyJson(NEW.clientChannel),
      serverChannel: keyJson(NEW.serverChannel),
      serverPayout: keyJson(NEW.serverPayout)
    },
    bounds: BOUNDS,
    cases: [
      renewed(
        "without coins of the wallet: 300 sat of the client's are the fee",
        plain,
        capacity,
        [],
        segwitVsize([FUNDING_WITNESS_BYTES], [SCRIPT])
      ),
      renewed(
        'topped up by 200000 sat of the wallet, which is shown to be SegWit',
        topUp(),
        1_200_000n,
        [ORIGIN],
        toppedUp(1)
      ),
      renewed(
        'six coins, 589 vB: one more would be above 600',
        topUp({ coins: SIX_COINS, fee: 2_000n }),
        1_200_000n,
        SIX_COINS.map(([coin]) => coin),
        toppedUp(6)
      ),
      renewed(
        'the lowest fee: 249 vB at 2 sat/vB',
        topUp({ fee: 498n }),
        1_200_000n,
        [ORIGIN],
        toppedUp(1)
      ),
      renewed(
        'the highest fee: 600 vB at 20 sat/vB, whatever the size',
        topUp({ fee: 12_000n }),
        1_200_000n,
        [ORIGIN],
        toppedUp(1)
      ),
      renewed(
        'a coin that is final; the old input decides that T1 may be replaced',
        topUp({ sequences: [0xfffffffd, 0xffffffff] }),
        1_200_000n,
        [ORIGIN],
        toppedUp(1)
      ),
      renewed(
        'change at its dust limit, and the lock of the tip',
        topUp({ changeValue: 294n }),
        1_298_706n,
        [ORIGIN],
        toppedUp(1)
      )
    ],
    refund: {
      refundHeight: L,
      serverBalance: Number(SERVER_BALANCE),
      output0: own === undefined ? null : outputJson(own),
      unsigned: toHex(unsignedRefund(t2, { script: CLIENT_SCRIPT, value: satoshi(599_000n) })),
      server: {
        sighashType: 0x83,
        sighash: toHex(payerSighash(t2)),
        signature: toHex(NEW.serverChannel.sign(payerSighash(t2)))
      }
    },
    initial: {
      payerBalance: Number(payerBalance),
      sighash: toHex(initial),
      signature: toHex(NEW.clientChannel.sign(initial))
    },
    refuse: [
      {
        name: 'version 2',
        code: 'ERR_RENEWAL_INPUT',
        raw: altered((tx) => {
          tx.version = 2
        }),
        previous: []
      },
      {
        name: 'spends the other output of the old T1',
        code: 'ERR_RENEWAL_INPUT',
        raw: altered((tx) => {
          for (const input of tx.ins) input.index = 0
        }),
        previous: [stripped(unsignedFunding())]
      },
      {
        name: 'a scriptSig on the old funding output',
        code: 'ERR_FUNDING_NOT_SEGWIT',
        raw: altered((tx) => {
          tx.setInputScript(0, Uint8Array.of(0x51))
        }),
        previous: []
      },
      {
        name: 'a coin that is not shown',
        code: 'ERR_FUNDING_NOT_SEGWIT',
        raw: toHex(topUp().raw),
        previous: []
      },
      {
        name: 'another transaction is shown',
        code: 'ERR_FUNDING_NOT_SEGWIT',
        raw: toHex(topUp().raw),
        previous: [origin(CLIENT_SCRIPT).toHex()]
      },
      {
        name: 'a coin of P2PKH: its txid could be changed',
        code: 'ERR_FUNDING_NOT_SEGWIT',
        ...beside(Uint8Array.from([0x76, 0xa9, 20, ...new Uint8Array(20).fill(7), 0x88, 0xac]))
      },
      {
        name: 'a coin of P2WSH: its witness could grow after the signature',
        code: 'ERR_RENEWAL_INPUT',
        ...beside(Uint8Array.from([0, 32, ...new Uint8Array(32).fill(7)]))
      },
      {
        name: 'a coin of P2TR: its witness could grow after the signature',
        code: 'ERR_RENEWAL_INPUT',
        ...beside(Uint8Array.from([0x51, 32, ...new Uint8Array(32).fill(7)]))
      },
      {
        name: 'a coin of witness version 2: anybody may spend it',
        code: 'ERR_RENEWAL_INPUT',
        ...beside(Uint8Array.from([0x52, 32, ...new Uint8Array(32).fill(7)]))
      },
      {
        name: 'the old input is not to be replaced',
        code: 'ERR_RENEWAL_INPUT',
        raw: toHex(topUp({ sequences: [0xfffffffe, 0xfffffffd] }).raw),
        previous: shown
      },
      {
        name: 'the old input is locked for ten blocks',
        code: 'ERR_RENEWAL_INPUT',
        raw: toHex(topUp({ sequences: [10, 0xfffffffd] }).raw),
        previous: shown
      },
      {
        name: 'a coin below the least nSequence',
        code: 'ERR_RENEWAL_INPUT',
        raw: toHex(topUp({ sequences: [0xfffffffd, 0xfffffffc] }).raw),
        previous: shown
      },
      {
        name: 'a coin at the last height for payments',
        code: 'ERR_RENEWAL_INPUT',
        height: LOCK + 1,
        raw: toHex(topUp().raw),
        previous: shown
      },
      {
        name: 'a lock above H',
        code: 'ERR_RENEWAL_FORM',
        raw: toHex(topUp({ lock: LOCK + 1 }).raw),
        previous: shown
      },
      {
        name: 'three outputs',
        code: 'ERR_RENEWAL_FORM',
        raw: toHex(topUp({ change: [WALLET_SCRIPT, CLIENT_SCRIPT] }).raw),
        previous: shown
      },
      {
        name: 'change below its dust limit',
        code: 'ERR_RENEWAL_FORM',
        raw: toHex(topUp({ changeValue: 293n }).raw),
        previous: shown
      },
      {
        name: 'change to a script of no known form',
        code: 'ERR_RENEWAL_FORM',
        raw: toHex(topUp({ change: [Uint8Array.of(0x51)] }).raw),
        previous: shown
      },
      {
        name: 'seven coins: 657 vB',
        code: 'ERR_RENEWAL_TOO_LARGE',
        raw: toHex(topUp({ coins: sevenCoins, fee: 2_000n }).raw),
        previous: sevenCoins.map(([coin]) => coin.toHex())
      },
      {
        name: 'a fee of 1 sat too little',
        code: 'ERR_RENEWAL_FEE',
        raw: toHex(topUp({ fee: 497n }).raw),
        previous: shown
      },
      {
        name: 'a fee of 1 sat too much',
        code: 'ERR_RENEWAL_FEE',
        raw: toHex(topUp({ fee: 12_001n }).raw),
        previous: shown
      }
    ]
  }
}
