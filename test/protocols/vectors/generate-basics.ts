/** Vectors of keys, scripts, signatures and T1. */
import * as bitcoin from 'bitcoinjs-lib'
import { dustLimit } from '../../../src/bitcoin/sizes.js'
import { SIGHASH, toDer } from '../../../src/bitcoin/ecdsa.js'
import { fundingScript } from '../../../src/bitcoin/funding.js'
import {
  addressFromScript,
  channelIdOf,
  fundingWitnessScript,
  isStandardScript,
  p2wsh,
  payoutWitnessScript
} from '../../../src/bitcoin/scripts.js'
import { fromHex, toHex } from '../../../src/types/bytes.js'
import {
  CAPACITY,
  COINBASE,
  COINS,
  FUNDING,
  fundingSighash,
  highS,
  KEYS,
  ORIGIN,
  signedFunding,
  unsignedFunding,
  type Key
} from './fixture.js'
import type { Vectors } from './schema.js'

export function keyVectors(): Vectors<'keys.json'> {
  const pair = ({ privateKey, publicKey }: Key): { privateKey: string; publicKey: string } => ({
    privateKey: toHex(privateKey),
    publicKey: toHex(publicKey)
  })
  return {
    description:
      "The keys of every other file. channelId is the SHA256 of the client's channel key (K1). Never use these keys for money.",
    keys: {
      clientChannel: pair(KEYS.clientChannel),
      serverChannel: pair(KEYS.serverChannel),
      clientPayout: pair(KEYS.clientPayout),
      serverPayout: pair(KEYS.serverPayout),
      wallet: pair(KEYS.wallet)
    },
    channelId: channelIdOf(KEYS.clientChannel.publicKey)
  }
}

export function scriptVectors(): Vectors<'scripts.json'> {
  const witness = (
    name: string,
    witnessScript: Uint8Array
  ): Vectors<'scripts.json'>['witnessScripts'][number] => {
    const script = p2wsh(witnessScript)
    return {
      name,
      witnessScript: toHex(witnessScript),
      scriptPubKey: toHex(script),
      addresses: {
        mainnet: addressFromScript(script, 'mainnet'),
        testnet: addressFromScript(script, 'testnet'),
        signet: addressFromScript(script, 'signet'),
        regtest: addressFromScript(script, 'regtest')
      }
    }
  }
  const forms: [string, string][] = [
    ['P2WPKH', '0014' + '07'.repeat(20)],
    ['P2WSH', '0020' + '07'.repeat(32)],
    ['P2TR', '5120' + '07'.repeat(32)],
    ['P2PKH', '76a914' + '07'.repeat(20) + '88ac'],
    ['P2SH', 'a914' + '07'.repeat(20) + '87'],
    ['pay to anchor', '51024e73'],
    ['witness version 16, 40 bytes', '6028' + '07'.repeat(40)]
  ]
  const refused: [string, string][] = [
    ['empty', ''],
    ['witness version 0, 19 bytes: can never be spent', '0013' + '07'.repeat(19)],
    ['witness version 0, 40 bytes: can never be spent', '0028' + '07'.repeat(40)],
    ['witness version 1, 1 byte', '510107'],
    ['witness version 1, 41 bytes', '5129' + '07'.repeat(41)],
    ['data', '6a0401020304'],
    ['bare public key', '21' + toHex(KEYS.clientPayout.publicKey) + 'ac'],
    ['P2WPKH with a byte after it', '0014' + '07'.repeat(20) + '00']
  ]
  return {
    description:
      'Witness scripts of a channel with their scriptPubKeys (P2WSH) and addresses; dust limits in satoshis (an output of exactly that much is relayed); scripts that a peer may and may not name for a cooperative close.',
    witnessScripts: [
      witness(
        'funding: 2 <K1> <K2> 2 OP_CHECKMULTISIG, client key first',
        fundingWitnessScript(KEYS.clientChannel.publicKey, KEYS.serverChannel.publicKey)
      ),
      witness(
        'funding with the keys swapped: another script, for keys are not sorted',
        fundingWitnessScript(KEYS.serverChannel.publicKey, KEYS.clientChannel.publicKey)
      ),
      witness(
        'payout of the client: <key> OP_CHECKSIGVERIFY 1 OP_CHECKSEQUENCEVERIFY',
        payoutWitnessScript(KEYS.clientPayout.publicKey)
      ),
      witness('payout of the server', payoutWitnessScript(KEYS.serverPayout.publicKey))
    ],
    dustLimits: forms.map(([name, script]) => ({
      name,
      scriptPubKey: script,
      sat: Number(dustLimit(fromHex(script)))
    })),
    closeScripts: [...forms, ...refused].map(([name, script]) => ({
      name,
      scriptPubKey: script,
      accept: isStandardScript(fromHex(script))
    }))
  }
}

export function signatureVectors(): Vectors<'signatures.json'> {
  const digest = bitcoin.crypto.sha256(new TextEncoder().encode('paychan'))
  const good = KEYS.clientChannel.sign(digest)
  const refused = (
    name: string,
    signature: Uint8Array
  ): Vectors<'signatures.json'>['cases'][number] => ({
    name,
    signature: toHex(signature),
    accept: false,
    der: null
  })
  const accepted = (
    name: string,
    sighashType: number
  ): Vectors<'signatures.json'>['cases'][number] => ({
    name,
    signature: toHex(good),
    accept: true,
    der: { sighashType, bytes: toHex(toDer(good, sighashType)) }
  })
  return {
    description:
      'ECDSA signatures of the digest SHA256("paychan") under the client\'s channel key: 64 bytes, r and s. The good one is the deterministic one (RFC 6979, SHA256) with a low S; der is how a witness carries it, with its sighash byte.',
    publicKey: toHex(KEYS.clientChannel.publicKey),
    digest: toHex(digest),
    cases: [
      accepted('ALL', SIGHASH.ALL),
      accepted('SINGLE|ANYONECANPAY', SIGHASH.SINGLE | SIGHASH.ANYONECANPAY),
      accepted('NONE|ANYONECANPAY', SIGHASH.NONE | SIGHASH.ANYONECANPAY),
      refused('high S: valid ECDSA, but malleable and not relayed', highS(good)),
      refused('by another key', KEYS.serverChannel.sign(digest)),
      refused('r and s swapped', Uint8Array.from([...good.slice(32), ...good.slice(0, 32)])),
      refused('r is zero', Uint8Array.from([...new Uint8Array(32), ...good.slice(32)])),
      refused('s is zero', Uint8Array.from([...good.slice(0, 32), ...new Uint8Array(32)])),
      refused('all ones', new Uint8Array(64).fill(0xff)),
      refused('63 bytes', good.slice(0, 63)),
      refused('DER instead of compact', toDer(good, SIGHASH.ALL).slice(0, -1)),
      refused('empty', new Uint8Array(0))
    ]
  }
}

export function fundingVectors(): Vectors<'funding.json'> {
  const tx = signedFunding()
  const script = fundingScript(FUNDING.clientKey, FUNDING.serverKey)
  const terms = {
    outPoint: FUNDING.outPoint,
    scriptPubKey: toHex(script),
    capacity: Number(CAPACITY)
  }
  const altered = (change: (tx: bitcoin.Transaction) => void): { raw: string } => {
    const other = signedFunding()
    change(other)
    return { raw: other.toHex() }
  }
  const nested = signedFunding()
  nested.setInputScript(0, Uint8Array.from([22, ...(COINS[0]?.script ?? [])]))
  return {
    description:
      'T1, the funding transaction: version 3, two P2WPKH inputs, change and the funding output, fee 1000 sat. The inputs are outputs of "origin", which spends "coinbase": on a regtest chain with that in block 1, all transactions of these files are valid. "refuse": what the server must not take for the T1 that the given outPoint, scriptPubKey and capacity name.',
    coinbase: COINBASE.toHex(),
    origin: ORIGIN.toHex(),
    inputs: COINS.map((coin, i) => ({
      outPoint: coin.outPoint,
      sat: Number(coin.value),
      scriptPubKey: toHex(coin.script),
      privateKey: toHex(KEYS.wallet.privateKey),
      sighash: toHex(fundingSighash(tx, i))
    })),
    unsigned: unsignedFunding().toHex(),
    signed: tx.toHex(),
    ...terms,
    refuse: [
      {
        name: 'cut off by one byte',
        code: 'ERR_FUNDING_MALFORMED',
        ...terms,
        raw: tx.toHex().slice(0, -2)
      },
      {
        name: 'a byte after the end',
        code: 'ERR_FUNDING_MALFORMED',
        ...terms,
        raw: tx.toHex() + '00'
      },
      {
        name: 'number of outputs in three bytes',
        code: 'ERR_FUNDING_MALFORMED',
        ...terms,
        raw: tx.toHex().replace('fdffffff02b8', 'fdfffffffd0200b8')
      },
      {
        name: 'another lock, so another txid',
        code: 'ERR_FUNDING_TXID',
        ...terms,
        ...altered((other) => {
          other.locktime = 1
        })
      },
      {
        name: 'one satoshi less for the channel, so another txid',
        code: 'ERR_FUNDING_TXID',
        ...terms,
        ...altered((other) => {
          for (const out of other.outs.slice(1)) out.value -= 1n
        })
      },
      {
        name: 'the refund spends the change',
        code: 'ERR_FUNDING_OUTPUT',
        ...terms,
        raw: tx.toHex(),
        outPoint: { ...FUNDING.outPoint, vout: 0 }
      },
      {
        name: 'the refund spends an output that does not exist',
        code: 'ERR_FUNDING_OUTPUT',
        ...terms,
        raw: tx.toHex(),
        outPoint: { ...FUNDING.outPoint, vout: 2 }
      },
      {
        name: 'the terms say one satoshi more',
        code: 'ERR_FUNDING_OUTPUT',
        ...terms,
        raw: tx.toHex(),
        capacity: Number(CAPACITY) + 1
      },
      {
        name: 'the keys in the wrong order',
        code: 'ERR_FUNDING_OUTPUT',
        ...terms,
        raw: tx.toHex(),
        scriptPubKey: toHex(fundingScript(FUNDING.serverKey, FUNDING.clientKey))
      },
      {
        name: 'not signed',
        code: 'ERR_FUNDING_NOT_SEGWIT',
        ...terms,
        raw: unsignedFunding().toHex()
      },
      {
        name: 'one input without a witness',
        code: 'ERR_FUNDING_NOT_SEGWIT',
        ...terms,
        ...altered((other) => other.setWitness(1, []))
      },
      {
        name: 'one input with a scriptSig (nested SegWit)',
        code: 'ERR_FUNDING_NOT_SEGWIT',
        ...terms,
        raw: nested.toHex(),
        outPoint: { txid: nested.getId(), vout: 1 }
      }
    ]
  }
}
