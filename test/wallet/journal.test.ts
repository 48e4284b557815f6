/** The history of the wallet, and the labels in it. */
import assert from 'node:assert/strict'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { addressFromScript, scriptFromAddress, scriptOf } from '../../src/bitcoin/address.js'
import { codeOf } from '../../src/types/errors.js'
import { feeRate } from '../../src/types/units.js'
import { BURIED_DEPTH } from '../../src/wallet/claims.js'
import { Bench, channelNamed, fundingScriptOf, sat } from './fixtures.js'
import type { Txid } from '../../src/types/bytes.js'
import type { TransactionKind, WalletTransaction } from '../../src/wallet/spending.js'

const TO = addressFromScript(
  scriptOf({ kind: 'witness', version: 0, program: new Uint8Array(20).fill(7) }),
  'regtest'
)

describe('wallet / history', () => {
  let bench: Bench

  beforeEach(async () => {
    bench = await Bench.start()
  })
  afterEach(async () => {
    await bench.wallet.stop()
  })

  const none = (): undefined => undefined
  const list = (kindOf: (id: Txid) => TransactionKind | undefined = none): WalletTransaction[] =>
    bench.wallet.transactions(kindOf)
  const lines = (): string[] =>
    list().map(({ kind, amount, fee, confirmations, status, label }) =>
      `${kind} ${amount} fee ${fee ?? '?'} ${status} ${confirmations} ${label ?? ''}`.trim()
    )

  it('tells what came, what went and what is under way, the newest first', async () => {
    const address = await bench.wallet.newAddress()
    await bench.wallet.label(address, 'salary')
    bench.chain.pay(scriptFromAddress(address, 'regtest'), sat(100_000))
    bench.chain.mine(2)
    await bench.settled()
    await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 1_000n, label: 'rent' })
    await bench.settled()
    assert.deepEqual(lines(), [
      'send -30141 fee 141 mempool 0 rent',
      'receive 100000 fee ? confirmed 2 salary'
    ])
    bench.chain.mine(3)
    await bench.settled()
    assert.deepEqual(lines(), [
      'send -30141 fee 141 confirmed 3 rent',
      'receive 100000 fee ? confirmed 5 salary'
    ])
  })

  it('goes back with the chain in a reorg, and counts a replaced send once', async () => {
    await bench.receive(100_000)
    const sent = await bench.wallet.send({
      to: TO,
      amount: 30_000n,
      feeRate: 1_000n,
      label: 'rent'
    })
    await bench.settled()
    await bench.wallet.bumpFee(sent.txid ?? assert.fail(), { feeRate: 2_000n })
    await bench.settled()
    assert.deepEqual(lines(), [
      'send -30282 fee 282 mempool 0 rent',
      'receive 100000 fee ? confirmed 1'
    ])
    bench.chain.mine()
    await bench.settled()
    bench.chain.reorg(2)
    await bench.settled()
    assert.deepEqual(lines().sort(), [
      'receive 100000 fee ? mempool 0',
      'send -30282 fee 282 mempool 0 rent'
    ])
  })

  it('shows what no mempool has as waiting', async () => {
    await bench.receive(100_000)
    bench.chain.setStatus('down')
    await bench.wallet.send({ to: TO, amount: 30_000n, feeRate: 1_000n })
    assert.equal(lines()[0], 'send -30141 fee 141 waiting 0')
  })

  it('takes the kind of a channel transaction from the node', async () => {
    await bench.receive(100_000)
    const { raw, outPoint } = await bench.wallet.buildFunding({
      channel: channelNamed('a'),
      scriptPubKey: fundingScriptOf('a'),
      amount: sat(50_000),
      feeRate: feeRate(1_000n)
    })
    await bench.chain.broadcast(parseTransaction(raw))
    await bench.settled()
    const [funding] = list((id) => (id === outPoint.txid ? 'funding' : undefined))
    assert.deepEqual([funding?.kind, funding?.amount, funding?.fee], ['funding', -50_153n, 153n])
  })

  it('knows a sweep and its fee for good', async () => {
    const output = bench.payout(50_000)
    bench.chain.mine()
    await bench.settled()
    await bench.wallet.claim(output)
    await bench.settled()
    bench.chain.mine(BURIED_DEPTH + 2)
    await bench.settled()
    await bench.restart()
    assert.deepEqual(lines(), [`sweep 49889 fee 111 confirmed ${BURIED_DEPTH + 2}`])
  })

  it('labels survive a restart, and an empty one is none', async () => {
    await bench.receive(100_000)
    const id = list()[0]?.txid ?? assert.fail()
    await bench.wallet.label(id.toUpperCase(), '  gift ')
    await bench.restart()
    assert.equal(list()[0]?.label, 'gift')
    await bench.wallet.label(id, '')
    assert.equal(list()[0]?.label, undefined)
    await assert.rejects(
      bench.wallet.label('nonsense', 'x'),
      (error) => codeOf(error) === 'ERR_INVALID_ADDRESS'
    )
    await assert.rejects(
      bench.wallet.label(id, 'x'.repeat(129)),
      (error) => codeOf(error) === 'ERR_INVALID_LABEL'
    )
  })
})
