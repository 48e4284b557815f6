import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import * as bitcoin from 'bitcoinjs-lib'
import { batchShare, batchVsize, completeBatch, MAX_BATCH, type BatchMember } from '../../src/bitcoin/batch.js'
import { fundingScript } from '../../src/bitcoin/funding.js'
import { payerOutput, payerSighash } from '../../src/bitcoin/template.js'
import { txid } from '../../src/types/bytes.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { judge } from './interpreter.js'
import { funding, keyPair, p2wpkh, refuses, state } from './support.js'

const OURS = p2wpkh(0xdd)

/** A channel of its own: other keys, another outpoint. */
function member (n: number, payerBalance: bigint, lock = 0): BatchMember & { readonly script: Uint8Array } {
  const [k1, k2] = [keyPair(0x40 + n), keyPair(0xa0 + n)]
  const template = state(payerBalance, {
    lock: blockHeight(lock),
    payerPayoutKey: keyPair(0x20 + n).publicKey,
    funding: funding({ outPoint: { txid: txid(n.toString(16).padStart(2, '0').repeat(32)), vout: n % 3 }, clientKey: k1.publicKey, serverKey: k2.publicKey })
  })
  return { template, signature: k1.sign(payerSighash(template)), sign: k2.sign, script: fundingScript(k1.publicKey, k2.publicKey) }
}

const parse = (raw: Uint8Array): bitcoin.Transaction => bitcoin.Transaction.fromBuffer(Uint8Array.from(raw))

/** What is wrong with any of the inputs. */
function faults (raw: Uint8Array, members: readonly ReturnType<typeof member>[]): Array<string | undefined> {
  return parse(raw).ins.map(({ hash, index }, i) => {
    const spent = members.find(({ template: { funding: { outPoint } } }) => outPoint.txid === Buffer.from(hash).reverse().toString('hex') && outPoint.vout === index)
    return spent === undefined ? 'unknown input' : judge(raw, i, { script: spent.script, value: spent.template.funding.value })
  })
}

describe('batch of states', () => {
  const members = [member(1, 600_000n), member(2, 0n), member(3, 329n), member(4, 330n), member(5, 999_999n)]

  it('is valid on every input: each payer has its output beside its input, those without one come last, then the payee', () => {
    const raw = completeBatch(members, OURS, satoshi(2_000n))
    assert.deepEqual(faults(raw, members), members.map(() => undefined))
    const { ins, outs, version, locktime } = parse(raw)
    assert.deepEqual([version, locktime, ins.map(({ index }) => index)], [3, 0, [1, 1, 2, 2, 0]])
    const own = [1, 4, 5].map((n) => payerOutput(member(n, n === 1 ? 600_000n : n === 4 ? 330n : 999_999n).template))
    assert.deepEqual(outs.map(({ script, value }) => ({ script: Uint8Array.from(script), value })), [...own, { script: OURS, value: batchShare(members) - 2_000n }])
  })

  it('is void when a payer\'s output is moved away from its input, or an input of another channel takes its signature', () => {
    const swapped = parse(completeBatch(members, OURS, satoshi(2_000n)))
    const [first, second] = swapped.outs
    assert.ok(first && second)
    swapped.outs.splice(0, 2, second, first)
    assert.notEqual(faults(swapped.toBuffer(), members)[0], undefined)
    const [one, two] = members
    assert.ok(one && two)
    assert.notEqual(faults(completeBatch([{ ...one, signature: two.signature }], OURS, satoshi(500n)), members)[0], undefined)
  })

  it('with payers who have nothing left is one output of ours', () => {
    const dust = [member(2, 0n), member(3, 329n)]
    const raw = completeBatch(dust, OURS, satoshi(400n))
    assert.deepEqual([faults(raw, dust), parse(raw).outs.length], [[undefined, undefined], 1])
  })

  it('has the size that was reckoned: 139 vB a channel at 70, and fits into version 3 (10,000 vB)', () => {
    const many = Array.from({ length: MAX_BATCH }, (_, n) => member(n + 1, 500_000n))
    const vsize = batchVsize(many, OURS)
    const actual = parse(completeBatch(many, OURS, satoshi(20_000n))).virtualSize()
    assert.ok(actual <= vsize && actual > vsize - MAX_BATCH, `${actual} of ${vsize}`)
    assert.deepEqual([Math.floor(vsize / MAX_BATCH), vsize <= 10_000], [139, true])
  })

  it('takes no state with a lock, not more than 70, none at all, and no fee that leaves dust', () => {
    refuses(() => completeBatch([member(1, 1n, 700)], OURS, satoshi(500n)), 'ERR_STATE_INVALID')
    refuses(() => completeBatch(Array.from({ length: MAX_BATCH + 1 }, () => member(1, 0n)), OURS, satoshi(500n)), 'ERR_STATE_INVALID')
    refuses(() => completeBatch([], OURS, satoshi(500n)), 'ERR_STATE_INVALID')
    refuses(() => completeBatch([member(1, 999_000n)], OURS, satoshi(707n)), 'ERR_STATE_INVALID')
  })
})
