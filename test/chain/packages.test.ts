/**
 * A child that pays for a parent which the mempool refuses alone: in one package, where the server
 * can take one.
 */
import assert from 'node:assert/strict'
import type { Transaction } from 'bitcoinjs-lib'
import { parseTransaction } from '../../src/bitcoin/transaction.js'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import { startDevnet, type Devnet } from '../../src/devnet/devnet.js'
import { refusalKind } from '../../src/chain/broadcasting.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { alice, output, signed, type Spendable } from '../devnet/support.js'
import { FakeServer, Refusal } from './fake-server.js'
import { realClock, seededRandom } from './helpers.js'

const TIMEOUTS = { retryFirst: 2, retryMost: 20 }

describe('electrum chain / packages', () => {
  let chain: ElectrumChain
  let coin: Spendable
  let devnet: Devnet

  beforeEach(async () => {
    devnet = await startDevnet({ seed: 'packages' })
    await devnet.fund(alice.address, satoshi(100_000n))
    await devnet.mine(1)
    coin = (await devnet.utxos(alice.script))[0] ?? assert.fail()
    chain = createElectrumChain({
      url: devnet.url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      timeouts: TIMEOUTS
    })
    await chain.start()
  })

  afterEach(async () => {
    await chain.stop()
    await devnet.stop()
  })

  const spend = (from: Spendable, fee: bigint): Transaction =>
    signed({
      from: [{ ...from, owner: alice }],
      to: [[alice.script, from.value - fee]],
      version: 3
    })
  const refusal = async (sent: Promise<unknown>): Promise<unknown> =>
    await sent.then(
      () => 'accepted',
      (error: unknown) => (error instanceof PaychanError ? error.facts.kind : error)
    )

  it('bring both in, once the parent has been refused for its fee', async () => {
    const parent = spend(coin, 10n)
    const child = spend(output(parent, 0), 5_000n)
    assert.equal(
      await refusal(chain.broadcast(parseTransaction(child.toBuffer()))),
      'missing-inputs',
      'nobody has seen the parent'
    )
    assert.equal(await refusal(chain.broadcast(parseTransaction(parent.toBuffer()))), 'fee-too-low')
    assert.equal((await chain.broadcast(parseTransaction(child.toBuffer()))).txid, child.getId())
    assert.equal((await devnet.backend.mempool()).length, 2)
  })

  it('are refused with the reason when the child pays too little as well', async () => {
    const parent = spend(coin, 10n)
    assert.equal(await refusal(chain.broadcast(parseTransaction(parent.toBuffer()))), 'fee-too-low')
    assert.equal(
      await refusal(chain.broadcast(parseTransaction(spend(output(parent, 0), 50n).toBuffer()))),
      'fee-too-low'
    )
  })

  it('are not sent to a server that speaks a protocol without them', async () => {
    const server = await new FakeServer().listen()
    const other = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      timeouts: TIMEOUTS
    })
    await other.start()
    const parent = spend(coin, 10n)
    server.on('blockchain.transaction.broadcast', ([raw]) => {
      throw new Refusal(
        raw === parent.toHex()
          ? 'min relay fee not met, 10 < 110'
          : 'bad-txns-inputs-missingorspent'
      )
    })
    assert.equal(await refusal(other.broadcast(parseTransaction(parent.toBuffer()))), 'fee-too-low')
    assert.equal(
      await refusal(other.broadcast(parseTransaction(spend(output(parent, 0), 5_000n).toBuffer()))),
      refusalKind('bad-txns-inputs-missingorspent')
    )
    assert.equal(server.count('blockchain.transaction.broadcast_package'), 0)
    await other.stop()
    await server.close()
  })
})
