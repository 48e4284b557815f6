/**
 * A devnet that shows the chain of a bitcoind: how it is read, and what happens when others have
 * mined it.
 */
import assert from 'node:assert/strict'
import { fundPatiently } from '../../../src/demo/stage.js'
import { startDevnet, type Devnet } from '../../../src/devnet/index.js'
import { satoshi } from '../../../src/types/units.js'
import { alice, freshChain } from '../support.js'
import { FakeBitcoind } from './fake-bitcoind.js'

describe('devnet / the chain of a bitcoind', () => {
  let bitcoind: FakeBitcoind
  const ends: Array<() => Promise<void>> = []
  const told: string[] = []

  beforeEach(async () => {
    told.splice(0)
    bitcoind = await new FakeBitcoind(await freshChain()).listen()
    ends.push(async () => {
      await bitcoind.close()
    })
  })

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function mirror(): Promise<Devnet> {
    const devnet = await startDevnet({
      bitcoind: bitcoind.url,
      log: (line) => {
        told.push(line)
      }
    })
    ends.push(async () => {
      await devnet.stop()
    })
    return devnet
  }

  it('is read many blocks at a time, and says how far it is, before anybody is served', async () => {
    await bitcoind.chain.mine(1_000)
    const devnet = await mirror()
    assert.equal(devnet.height, 1_120)
    assert.ok(bitcoind.requests < 50, `${bitcoind.requests} requests`)
    assert.deepEqual(told, [
      'reading the chain of bitcoind: block 500 of 1120',
      'reading the chain of bitcoind: block 1000 of 1120'
    ])
  })

  it('is caught up with at once when many blocks come together, also on another branch', async () => {
    const devnet = await mirror()
    const before = bitcoind.requests
    const seen = new Promise<void>((resolve) => {
      devnet.on('block', () => {
        if (devnet.tip.hash === bitcoind.chain.best.hash) resolve()
      })
    })
    await bitcoind.chain.reorg(20)
    await bitcoind.chain.mine(200)
    await seen
    assert.equal(devnet.height, bitcoind.chain.best.height)
    assert.ok(bitcoind.requests - before < 40, `${bitcoind.requests - before} requests`)
  })

  it('that others have mined pays nobody at first; a demo mines until it has coins of its own', async () => {
    const devnet = await mirror()
    await assert.rejects(devnet.fund(alice.address, 1_000_000n), {
      code: 'ERR_INSUFFICIENT_FUNDS',
      message: /has 0 sat that can be spent now/
    })
    const said: string[] = []
    await fundPatiently(devnet, alice.address, satoshi(1_000_000n), {
      say: (line) => {
        said.push(line)
      }
    })
    assert.deepEqual(
      [said.length, devnet.height, (await bitcoind.chain.mempool()).length],
      [1, 220, 1]
    )
    await fundPatiently(devnet, alice.address, satoshi(1_000_000n), {
      say: (line) => {
        said.push(line)
      }
    })
    assert.equal(said.length, 1, 'nothing more is mined, or said')
  })
})
