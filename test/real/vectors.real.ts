/**
 * The transactions of the vectors before a real bitcoind: what must be accepted is, what carries a
 * bad signature is not.
 */
import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { z } from 'zod'
import { EmbeddedChain } from '../../src/devnet/index.js'
import { fromHex } from '../../src/types/bytes.js'
import { p2wpkh, KEYS } from '../protocols/vectors/fixture.js'
import { read } from '../protocols/vectors/schema.js'
import { Bitcoind, rawBlock } from './bitcoind.js'

const GENESIS_TIME = 1_296_688_602
const COINBASE_MATURITY = 100

interface Vector {
  readonly name: string
  readonly raw: string
  readonly lock: number
}

/** What a spend of the funding output becomes when one of its two signatures is another one. */
function signedInstead(raw: string, role: 'client' | 'server', signature: string): string {
  const tx = bitcoin.Transaction.fromHex(raw)
  const [empty, client, server, script] = tx.ins[0]?.witness ?? []
  const old = role === 'client' ? client : server
  if (
    empty === undefined ||
    client === undefined ||
    server === undefined ||
    script === undefined ||
    old === undefined
  ) {
    assert.fail('no 2-of-2')
  }
  const other = bitcoin.script.signature.encode(fromHex(signature), old[old.length - 1] ?? 0)
  tx.setWitness(
    0,
    role === 'client' ? [empty, other, server, script] : [empty, client, other, script]
  )
  return tx.toHex()
}

describe('vectors / on bitcoind', () => {
  let bitcoind: Bitcoind
  const funding = read.funding()
  const refund = read.refund()
  const states = read.state()
  const close = read.close()
  const renewal = read.renewal()

  /** Why it is refused; undefined when it is not. */
  async function refusal(raw: string): Promise<string | undefined> {
    try {
      const [verdict] = await bitcoind.call(
        z.array(z.object({ allowed: z.boolean(), 'reject-reason': z.string().optional() })),
        'testmempoolaccept',
        [raw],
        0
      )
      return verdict?.allowed === true ? undefined : (verdict?.['reject-reason'] ?? 'refused')
    } catch (error) {
      return String(error)
    }
  }

  async function height(): Promise<number> {
    return await bitcoind.call(z.number(), 'getblockcount')
  }

  /** Blocks until the chain is at a height. */
  async function mineTo(wanted: number): Promise<void> {
    for (let left = wanted - (await height()); left > 0; left -= 50) {
      await bitcoind.call(
        z.array(z.string()),
        'generatetodescriptor',
        Math.min(left, 50),
        'raw(51)'
      )
    }
  }

  before(async () => {
    bitcoind = await Bitcoind.start()
    const chain = new EmbeddedChain({ seed: 'vectors', now: (at) => GENESIS_TIME + at * 600 })
    await chain.mine(1, p2wpkh(KEYS.wallet))
    await chain.mine(COINBASE_MATURITY)
    for (let at = 1; at <= COINBASE_MATURITY + 1; at++) {
      assert.equal(await bitcoind.call(z.null(), 'submitblock', await rawBlock(chain, at)), null)
    }
    await bitcoind.call(z.string(), 'sendrawtransaction', funding.origin)
    await mineTo(COINBASE_MATURITY + 2)
  })

  after(async () => {
    await bitcoind.stop()
  })

  it('the coins of T1 come from the coinbase that the file names', async () => {
    const block = await bitcoind.call(z.string(), 'getblockhash', 1)
    const { tx } = await bitcoind.call(
      z.object({ tx: z.array(z.object({ hex: z.string() })) }),
      'getblock',
      block,
      2
    )
    assert.equal(tx[0]?.hex, funding.coinbase)
  })

  it('T1 is accepted, and of what must not be taken for it what is not the same transaction is refused', async () => {
    assert.equal(await refusal(funding.signed), undefined)
    const others = funding.refuse.filter(({ raw }) => raw !== funding.signed)
    assert.ok(others.length > 5)
    for (const { name, raw } of others) assert.notEqual(await refusal(raw), undefined, name)
    await bitcoind.call(z.string(), 'sendrawtransaction', funding.signed)
    await mineTo((await height()) + 1)
  })

  const spends: Vector[] = [
    { name: 'T2', raw: refund.complete.raw, lock: refund.terms.refundHeight },
    ...states.cases.map(({ name, raw, lock }) => ({ name: `a state: ${name}`, raw, lock })),
    ...close.cases.map(({ name, raw }) => ({ name: `a close: ${name}`, raw, lock: 0 })),
    // Coins that were made up for a case are on no chain.
    ...renewal.cases
      .filter(({ previous }) =>
        previous.every(
          (each) =>
            bitcoin.Transaction.fromHex(each).getId() ===
            bitcoin.Transaction.fromHex(funding.origin).getId()
        )
      )
      .map(({ name, raw }) => ({
        name: `a renewal: ${name}`,
        raw,
        lock: bitcoin.Transaction.fromHex(raw).locktime
      }))
  ]

  for (const { name, raw, lock } of spends.sort((a, b) => a.lock - b.lock)) {
    it(`${name} is accepted ${lock === 0 ? 'at any height' : `at height ${lock}, and not before`}`, async () => {
      await mineTo(lock - 1)
      if ((await height()) < lock) {
        assert.equal(await refusal(raw), 'non-final')
        await mineTo(lock)
      }
      assert.equal(await refusal(raw), undefined)
    })
  }

  it('have the sizes that the specification and docs/performance.md name', async () => {
    const found = new Map<string, number>()
    for (const { name, raw } of spends) {
      const kind = name.split(':')[0] ?? name
      if (kind === 'a renewal') continue
      const { vsize, vout } = await bitcoind.call(
        z.object({
          vsize: z.number(),
          vout: z.array(z.object({ scriptPubKey: z.object({ hex: z.string() }) }))
        }),
        'decoderawtransaction',
        raw
      )
      const scripts = vout.map(({ scriptPubKey }) => scriptPubKey.hex.length / 2)
      const base = 51 + scripts.reduce((sum, length) => sum + 9 + length, 0)
      const most = Math.ceil((4 * base + 222) / 4)
      // Of the two signatures each has 71 bytes as often as 72, and seldom less.
      assert.ok(vsize <= most && vsize >= most - 1, `${name}: ${vsize} vB, at most ${most}`)
      found.set(`${kind} to ${scripts.join(' and ')} bytes`, most)
    }
    const [p2wpkh, p2wsh] = [22, 34]
    assert.equal(found.get(`T2 to ${p2wpkh} bytes`), 138)
    assert.equal(found.get(`a state to ${p2wsh} and ${p2wpkh} bytes`), 181)
    assert.equal(found.get(`a close to ${p2wpkh} and ${p2wpkh} bytes`), 169)
  })

  const forged = [
    ...refund.refuseSignatures.map(({ name, signature }) => ({
      name: `T2, ${name}`,
      raw: signedInstead(refund.complete.raw, 'server', signature)
    })),
    ...states.refuseSignatures.map(({ name, payer, lock, payerBalance, signature }) => {
      const alike = states.cases.filter((each) => each.payer === payer && each.lock === lock)
      const good =
        alike.find((each) => each.payerBalance === payerBalance) ??
        alike[0] ??
        assert.fail(`no case like ${name}`)
      return { name: `a state, ${name}`, raw: signedInstead(good.raw, payer, signature) }
    }),
    ...close.refuseSignatures.map(({ name, signer, signature }) => ({
      name: `a close, ${name}`,
      raw: signedInstead(close.cases[0]?.raw ?? '', signer, signature)
    }))
  ]

  for (const { name, raw } of forged) {
    it(`refuses ${name}`, async () => {
      await mineTo(bitcoin.Transaction.fromHex(raw).locktime)
      assert.match((await refusal(raw)) ?? 'accepted', /script-verify-flag-failed|Signature|sig/i)
    })
  }

  it('refuses every T2 that the server must not sign, since it is not signed', async () => {
    for (const { name, raw } of refund.refuse) assert.notEqual(await refusal(raw), undefined, name)
  })
})
