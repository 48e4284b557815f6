/** Vectors of a renewal: T1 that spends the funding output of the other files, and what protects both sides in the new channel. */
import * as bitcoin from 'bitcoinjs-lib'
import { fundingScript } from '../../../src/bitcoin/funding.js'
import { FUNDING_WITNESS_BYTES } from '../../../src/bitcoin/funding-spend.js'
import { refundTemplate, unsignedRefund } from '../../../src/bitcoin/refund.js'
import { buildRenewal, completeRenewal, renewalSighash } from '../../../src/bitcoin/renewal.js'
import { segwitVsize } from '../../../src/bitcoin/sizes.js'
import { payerOutput, payerSighash, type FundingOutput } from '../../../src/bitcoin/template.js'
import { hashFromTxid, toHex, txid, type OutPoint } from '../../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../../src/types/units.js'
import { CLIENT_SCRIPT, FUNDING, FUNDING_JSON, key, KEYS, ORIGIN, outputJson, p2wpkh, scriptCode, summary, VERSION, type Key } from './fixture.js'
import type { Vectors } from './schema.js'

/** The new channel's keys. */
const NEW = { clientChannel: key(0x77), serverChannel: key(0x88), serverPayout: key(0x99) }
const SCRIPT = fundingScript(NEW.clientChannel.publicKey, NEW.serverChannel.publicKey)
const SERVER_BALANCE = satoshi(400_000n)
const L = blockHeight(2_000)
const LOCK = blockHeight(900)

const keyJson = ({ privateKey, publicKey }: Key): { privateKey: string, publicKey: string } => ({ privateKey: toHex(privateKey), publicKey: toHex(publicKey) })

/** A transaction that pays a coin of 300,000 sat to a script. */
function origin (script: Uint8Array): bitcoin.Transaction {
  const tx = new bitcoin.Transaction()
  tx.version = 2
  tx.addInput(new Uint8Array(32).fill(0xdd), 0)
  tx.addOutput(script, 300_000n)
  return tx
}

/** T1 with a coin of the wallet, signed, beside the old funding output: 200,000 sat more, 1,000 sat for the fee, change. */
function topUp (coin = ORIGIN, vout = 2): { raw: Uint8Array, outPoint: OutPoint } {
  const tx = new bitcoin.Transaction()
  tx.version = VERSION
  tx.locktime = LOCK
  tx.addInput(hashFromTxid(FUNDING.outPoint.txid), FUNDING.outPoint.vout, 0xfffffffd)
  tx.addInput(coin.getHash(), vout, 0xfffffffd)
  tx.addOutput(p2wpkh(KEYS.wallet), 99_000n)
  tx.addOutput(SCRIPT, 1_200_000n)
  const signature = KEYS.wallet.sign(tx.hashForWitnessV0(1, scriptCode(p2wpkh(KEYS.wallet)), 300_000n, bitcoin.Transaction.SIGHASH_ALL))
  tx.setWitness(1, [bitcoin.script.signature.encode(signature, bitcoin.Transaction.SIGHASH_ALL), KEYS.wallet.publicKey])
  return { raw: tx.toBuffer(), outPoint: { txid: txid(tx.getId()), vout: 1 } }
}

type Case = Vectors<'renewal.json'>['cases'][number]

function renewed (name: string, { raw, outPoint }: { raw: Uint8Array, outPoint: OutPoint }, capacity: bigint, previous: bitcoin.Transaction[], worstVsize: number): Case {
  const sighash = renewalSighash(raw, FUNDING)
  const [client, server] = [KEYS.clientChannel.sign(sighash), KEYS.serverChannel.sign(sighash)]
  return {
    name,
    previous: previous.map((each) => each.toHex()),
    unsigned: toHex(raw),
    outPoint,
    scriptPubKey: toHex(SCRIPT),
    capacity: Number(capacity),
    sighash: toHex(sighash),
    clientSignature: toHex(client),
    serverSignature: toHex(server),
    ...summary(completeRenewal(raw, FUNDING, client, server)),
    worstVsize
  }
}

export function renewalVectors (): Vectors<'renewal.json'> {
  const capacity = satoshi(999_700n)
  const plain = buildRenewal(FUNDING, SCRIPT, capacity, LOCK)
  const funding: FundingOutput = { outPoint: plain.outPoint, value: capacity, clientKey: NEW.clientChannel.publicKey, serverKey: NEW.serverChannel.publicKey }
  const t2 = refundTemplate(funding, VERSION, L, NEW.serverPayout.publicKey, SERVER_BALANCE)
  const own = payerOutput(t2)
  const payerBalance = satoshi(capacity - SERVER_BALANCE)
  const initial = payerSighash({ funding, version: VERSION, lock: blockHeight(0), payer: 'client', payerBalance, payerPayoutKey: KEYS.clientPayout.publicKey })
  const altered = (change: (tx: bitcoin.Transaction) => void): string => {
    const tx = bitcoin.Transaction.fromBuffer(Uint8Array.from(plain.raw))
    change(tx)
    return tx.toHex()
  }
  const legacy = origin(Uint8Array.from([0x76, 0xa9, 20, ...new Uint8Array(20).fill(7), 0x88, 0xac]))
  return {
    description: 'A renewal (spec.md, section 13): T1 spends the funding output of the other files, in which the server has 400000 sat, and funds a one-way channel between new keys (the client\'s payout key is the old one). "cases": T1 without and with a coin of the wallet; "unsigned" lacks the witness of the old funding output, which both sign with ALL under the old keys. "refund" and "initial": what the server and the client sign in the new channel of the first case, before either signs T1. "refuse": a T1 and the transactions shown for it that the server must not sign.',
    old: FUNDING_JSON,
    keys: { clientChannel: keyJson(NEW.clientChannel), serverChannel: keyJson(NEW.serverChannel), serverPayout: keyJson(NEW.serverPayout) },
    cases: [
      renewed('without coins of the wallet: 300 sat of the client\'s are the fee', plain, capacity, [], segwitVsize([FUNDING_WITNESS_BYTES], [SCRIPT])),
      renewed('topped up by 200000 sat of the wallet, which is shown to be SegWit', topUp(), 1_200_000n, [ORIGIN], segwitVsize([FUNDING_WITNESS_BYTES, 108], [SCRIPT, p2wpkh(KEYS.wallet)]))
    ],
    refund: {
      refundHeight: L,
      serverBalance: Number(SERVER_BALANCE),
      output0: own === undefined ? null : outputJson(own),
      unsigned: toHex(unsignedRefund(t2, { script: CLIENT_SCRIPT, value: satoshi(599_000n) })),
      server: { sighashType: 0x83, sighash: toHex(payerSighash(t2)), signature: toHex(NEW.serverChannel.sign(payerSighash(t2))) }
    },
    initial: { payerBalance: Number(payerBalance), sighash: toHex(initial), signature: toHex(NEW.clientChannel.sign(initial)) },
    refuse: [
      { name: 'version 2', code: 'ERR_RENEWAL_INPUT', raw: altered((tx) => { tx.version = 2 }), previous: [] },
      { name: 'spends the other output of the old T1', code: 'ERR_RENEWAL_INPUT', raw: altered((tx) => { for (const input of tx.ins) input.index = 0 }), previous: [] },
      { name: 'a scriptSig on the old funding output', code: 'ERR_FUNDING_NOT_SEGWIT', raw: altered((tx) => { tx.setInputScript(0, Uint8Array.of(0x51)) }), previous: [] },
      { name: 'a coin that is not shown', code: 'ERR_FUNDING_NOT_SEGWIT', raw: toHex(topUp().raw), previous: [] },
      { name: 'another transaction is shown', code: 'ERR_FUNDING_NOT_SEGWIT', raw: toHex(topUp().raw), previous: [origin(CLIENT_SCRIPT).toHex()] },
      { name: 'a coin of P2PKH: its txid could be changed', code: 'ERR_FUNDING_NOT_SEGWIT', raw: toHex(topUp(legacy, 0).raw), previous: [legacy.toHex()] }
    ]
  }
}
