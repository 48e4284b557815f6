/** Replays the vectors of messages, keys, scripts, signatures and T1. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as bitcoin from 'bitcoinjs-lib'
import * as secp from 'tiny-secp256k1'
import { decode, encode, ProtocolError } from '../../../protocols/paychan/1.0/index.js'
import { fromDer, isLowS, toDer } from '../../../src/bitcoin/ecdsa.js'
import { checkFundingTx, fundingScript, readFunding } from '../../../src/bitcoin/funding.js'
import {
  addressFromScript,
  channelIdOf,
  fundingWitnessScript,
  isStandardScript,
  payoutWitnessScript,
  scriptFromAddress
} from '../../../src/bitcoin/scripts.js'
import { dustLimit } from '../../../src/bitcoin/sizes.js'
import { fromFrames, isCutShort } from '../../../src/p2p/stream-link.js'
import { fromHex, toHex, txid } from '../../../src/types/bytes.js'
import { satoshi } from '../../../src/types/units.js'
import { judge } from '../../bitcoin/support.js'
import { messagesText } from './generate-messages.js'
import { assertRefused, keys, messageJson, MESSAGES_FILE, readMessages } from './replay.js'
import { read } from './schema.js'

describe('vectors of keys, scripts, signatures and T1', () => {
  describe('keys', () => {
    for (const [name, { privateKey, publicKey }] of Object.entries(keys)) {
      it(`${name} belongs to its private key`, () =>
        assert.deepEqual(secp.pointFromScalar(fromHex(privateKey), true), fromHex(publicKey)))
    }

    it('name the channel', () => {
      const { channelId } = read.keys()
      assert.equal(toHex(bitcoin.crypto.sha256(fromHex(keys.clientChannel.publicKey))), channelId)
      assert.equal(channelIdOf(fromHex(keys.clientChannel.publicKey)), channelId)
    })
  })

  describe('scripts', () => {
    const { witnessScripts, dustLimits, closeScripts } = read.scripts()
    const networks = {
      mainnet: bitcoin.networks.bitcoin,
      testnet: bitcoin.networks.testnet,
      signet: bitcoin.networks.testnet,
      regtest: bitcoin.networks.regtest
    }

    for (const { name, witnessScript, scriptPubKey, addresses } of witnessScripts) {
      it(name, () => {
        assert.deepEqual(
          bitcoin.payments.p2wsh({ redeem: { output: fromHex(witnessScript) } }).output,
          fromHex(scriptPubKey)
        )
        for (const network of ['mainnet', 'testnet', 'signet', 'regtest'] as const) {
          assert.equal(
            bitcoin.address.fromOutputScript(fromHex(scriptPubKey), networks[network]),
            addresses[network]
          )
          assert.equal(addressFromScript(fromHex(scriptPubKey), network), addresses[network])
          assert.equal(toHex(scriptFromAddress(addresses[network], network)), scriptPubKey)
        }
      })
    }

    it('are made of the keys', () => {
      const { clientChannel, serverChannel, clientPayout, serverPayout } = keys
      const funding = (first: string, second: string): string =>
        `OP_2 ${first} ${second} OP_2 OP_CHECKMULTISIG`
      const payout = (key: string): string => `${key} OP_CHECKSIGVERIFY OP_1 OP_NOP3`
      assert.deepEqual(
        witnessScripts.map(({ witnessScript }) => bitcoin.script.toASM(fromHex(witnessScript))),
        [
          funding(clientChannel.publicKey, serverChannel.publicKey),
          funding(serverChannel.publicKey, clientChannel.publicKey),
          payout(clientPayout.publicKey),
          payout(serverPayout.publicKey)
        ]
      )
      assert.equal(
        toHex(
          fundingWitnessScript(fromHex(clientChannel.publicKey), fromHex(serverChannel.publicKey))
        ),
        witnessScripts[0]?.witnessScript
      )
      assert.equal(
        toHex(payoutWitnessScript(fromHex(clientPayout.publicKey))),
        witnessScripts[2]?.witnessScript
      )
    })

    for (const { name, scriptPubKey, sat } of dustLimits) {
      it(`dust limit of ${name}: ${sat} sat`, () =>
        assert.equal(dustLimit(fromHex(scriptPubKey)), BigInt(sat)))
    }

    for (const { name, scriptPubKey, accept } of closeScripts) {
      it(`${accept ? 'accepts' : 'refuses'} for a close: ${name}`, () =>
        assert.equal(isStandardScript(fromHex(scriptPubKey)), accept))
    }
  })

  describe('signatures', () => {
    const { publicKey, digest, cases } = read.signatures()
    const valid = (signature: Uint8Array): boolean =>
      isLowS(signature) && secp.verify(fromHex(digest), fromHex(publicKey), signature, true)

    it('are the deterministic ones of RFC 6979', () => {
      assert.equal(
        toHex(secp.sign(fromHex(digest), fromHex(keys.clientChannel.privateKey))),
        cases[0]?.signature
      )
    })

    for (const { name, signature, accept, der } of cases) {
      it(`${accept ? 'accepts' : 'refuses'}: ${name}`, () => {
        assert.equal(valid(fromHex(signature)), accept)
        if (der === null) return
        assert.equal(toHex(toDer(fromHex(signature), der.sighashType)), der.bytes)
        assert.deepEqual(fromDer(fromHex(der.bytes)), {
          signature: fromHex(signature),
          sighashType: der.sighashType
        })
        assert.deepEqual(bitcoin.script.signature.decode(fromHex(der.bytes)), {
          signature: fromHex(signature),
          hashType: der.sighashType
        })
      })
    }
  })

  describe('T1', () => {
    const vectors = read.funding()
    const tx = bitcoin.Transaction.fromHex(vectors.signed)

    it('spends the coins, signed by their keys', () => {
      assert.equal(tx.ins.length, vectors.inputs.length)
      for (const [
        i,
        { outPoint, sat, scriptPubKey, privateKey, sighash }
      ] of vectors.inputs.entries()) {
        const input = tx.ins[i]
        assert.ok(input)
        assert.equal(toHex(Uint8Array.from(input.hash).reverse()), outPoint.txid)
        assert.equal(input.index, outPoint.vout)
        const code = bitcoin.payments.p2pkh({ hash: fromHex(scriptPubKey).slice(2) }).output
        assert.ok(code)
        assert.equal(toHex(tx.hashForWitnessV0(i, code, BigInt(sat), 1)), sighash)
        const [der, key] = input.witness
        assert.ok(der !== undefined && key !== undefined)
        assert.deepEqual(secp.pointFromScalar(fromHex(privateKey), true), key)
        assert.deepEqual(bitcoin.script.signature.decode(der), {
          signature: secp.sign(fromHex(sighash), fromHex(privateKey)),
          hashType: 1
        })
        assert.equal(
          judge(fromHex(vectors.signed), i, {
            script: fromHex(scriptPubKey),
            value: satoshi(BigInt(sat))
          }),
          undefined
        )
      }
    })

    it('has the txid that T2 spends before and after it is signed', () => {
      assert.equal(tx.getId(), vectors.outPoint.txid)
      assert.equal(bitcoin.Transaction.fromHex(vectors.unsigned).getId(), vectors.outPoint.txid)
      tx.stripWitnesses()
      assert.equal(tx.toHex(), vectors.unsigned)
    })

    const expected = (terms: {
      outPoint: { txid: string; vout: number }
      scriptPubKey: string
      capacity: number
    }): Parameters<typeof checkFundingTx>[1] => ({
      outPoint: { txid: txid(terms.outPoint.txid), vout: terms.outPoint.vout },
      script: fromHex(terms.scriptPubKey),
      capacity: satoshi(BigInt(terms.capacity))
    })

    it('is accepted by the server', () => {
      assert.equal(
        toHex(
          fundingScript(
            fromHex(keys.clientChannel.publicKey),
            fromHex(keys.serverChannel.publicKey)
          )
        ),
        vectors.scriptPubKey
      )
      const signed = readFunding(fromHex(vectors.signed))
      checkFundingTx(signed, expected(vectors))
      assert.equal(signed.txid, vectors.outPoint.txid)
    })

    for (const refused of vectors.refuse) {
      it(`is refused: ${refused.name}`, () =>
        assertRefused(
          () => checkFundingTx(readFunding(fromHex(refused.raw)), expected(refused)),
          refused.code
        ))
    }
  })
})

const { accept, refuse, frames } = readMessages()

/** The Envelopes of a stream that brings these bytes, one at a time, and ends. */
async function envelopes(hex: string): Promise<string[]> {
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const byte of fromHex(hex)) yield Uint8Array.of(byte)
  }
  const found: string[] = []
  for await (const frame of fromFrames(bytes())) found.push(toHex(frame.subarray()))
  return found
}

describe('vectors of messages', () => {
  it('messages.json is what the generator writes, byte for byte', () => {
    assert.equal(
      readFileSync(join(process.cwd(), MESSAGES_FILE), 'utf8'),
      messagesText(),
      'run the generator: messages.json is out of date'
    )
  })

  it('has every type of message', () => {
    assert.deepEqual([...new Set(accept.map(({ message }) => message.type))].sort(), [
      'AcceptChannel',
      'ChannelReady',
      'ChannelRecord',
      'CloseDone',
      'CloseRequest',
      'Error',
      'Funding',
      'FundingBroadcast',
      'OpenChannel',
      'Reestablish',
      'RefundRequest',
      'RefundSignature',
      'RenewalRequest',
      'RestoreDone',
      'RestoreRequest',
      'TurnGrant',
      'TurnRefuse',
      'TurnRequest',
      'Update',
      'UpdateAck'
    ])
  })

  describe('accept', () => {
    for (const { name, message, bytes } of accept) {
      it(`${message.type}: ${name}`, () => {
        const decoded = decode(fromHex(bytes))
        assert.deepEqual(messageJson(decoded), message)
        assert.equal(toHex(encode(decoded)), bytes)
      })
    }
  })

  describe('refuse', () => {
    for (const { name, rule, bytes } of refuse) {
      it(`${name} (${rule})`, () => {
        assert.throws(
          () => decode(fromHex(bytes)),
          (error: unknown) => {
            assert.ok(error instanceof ProtocolError, String(error))
            assert.equal(error.rule, rule)
            return true
          }
        )
      })
    }
  })

  describe('frames', () => {
    for (const { name, bytes, messages } of frames.accept) {
      it(name, async () => {
        assert.deepEqual(await envelopes(bytes), messages)
      })
    }

    for (const { name, rule, bytes } of frames.refuse) {
      it(`refuse ${name} (${rule})`, async () => {
        await assert.rejects(envelopes(bytes), (error: unknown) =>
          isCutShort(error)
            ? rule === 'WIRE-1'
            : error instanceof ProtocolError && error.rule === rule
        )
      })
    }
  })

  it('names only rules that spec.md has', () => {
    const spec = readFileSync(join(process.cwd(), 'protocols', 'paychan', '1.0', 'spec.md'), 'utf8')
    for (const { rule } of [...refuse, ...frames.refuse]) {
      assert.ok(spec.includes(`**${rule}**`), rule)
    }
  })
})
