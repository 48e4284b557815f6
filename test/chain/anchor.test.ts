import assert from 'node:assert/strict'
import { concat } from 'uint8arrays'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import { HeaderChain, type Anchor } from '../../src/chain/headers.js'
import { chainParams } from '../../src/chain/params.js'
import { startDevnet, type Devnet } from '../../src/devnet/index.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import { makeHeader } from './fake-chain.js'
import { realClock, Recorder, seededRandom } from './helpers.js'

describe('the chain that a data directory belongs to', () => {
  const ends: Array<() => Promise<void>> = []
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  async function devnet(seed: string): Promise<Devnet> {
    const started = await startDevnet({ seed })
    ends.push(async () => {
      await started.stop()
    })
    return started
  }

  interface View {
    readonly chain: ElectrumChain
    readonly statuses: Recorder<ChainStatus>
    readonly anchors: Recorder<Anchor>
  }

  async function view(url: string, anchor?: Anchor): Promise<View> {
    const anchors = new Recorder<Anchor>()
    const statuses = new Recorder<ChainStatus>()
    const chain = createElectrumChain({
      url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      timeouts: { retryFirst: 2, retryMost: 20 },
      anchor,
      onAnchor: (each) => {
        anchors.push(each)
      }
    })
    ends.push(async () => {
      await chain.stop()
    })
    chain.onStatus((status) => {
      statuses.push(status)
    })
    await chain.start()
    await statuses.when((status) => status !== 'connecting')
    return { chain, statuses, anchors }
  }

  it('is remembered by a block that is 100 deep, and by a newer one after 100 blocks', async () => {
    const world = await devnet('one')
    const { chain, anchors } = await view(world.url)
    await anchors.when(({ height }) => height === 20)
    const tips = new Recorder<number>()
    chain.onTip(({ height }) => {
      tips.push(height)
    })
    await world.mine(99)
    await tips.when((height) => height === 219)
    await world.mine(1)
    await anchors.when(({ height }) => height === 120)
    assert.equal(anchors.all.length, 2)
  })

  it('is taken again at the next start', async () => {
    const world = await devnet('one')
    const { anchors } = await view(world.url)
    const { chain, anchors: more } = await view(world.url, anchors.last)
    assert.equal(chain.status, 'synced')
    assert.deepEqual(more.all, [])
  })

  it('is not mistaken for another one of the same network: that is refused, with what to do', async () => {
    const { anchors } = await view((await devnet('one')).url)
    const { chain } = await view((await devnet('two')).url, anchors.last)
    assert.deepEqual(
      [chain.status, chain.lastErrorCode, chain.tip],
      ['down', 'ERR_WRONG_CHAIN', undefined]
    )
    assert.match(
      chain.lastError ?? '',
      /another chain than the one of this data directory: it has block [0-9a-f]{64} at height 20, where block [0-9a-f]{64} was buried.*--data/
    )
  })

  it('is not judged by a server that has not come as far', async () => {
    const world = await devnet('one')
    const { chain } = await view(world.url, { height: 121, hash: 'ab'.repeat(32) })
    assert.deepEqual([chain.status, chain.lastErrorCode], ['down', 'ERR_WRONG_CHAIN'])
    assert.match(chain.lastError ?? '', /ends at height 120/)
  })

  it('is not left for another branch, however much work that has', async () => {
    const headers = new HeaderChain(chainParams('regtest'))
    const branch = (from: Uint8Array, count: number, time: number): Uint8Array[] => {
      const made: Uint8Array[] = []
      while (made.length < count) {
        made.push(makeHeader(made.at(-1) ?? from, new Uint8Array(32), { time: time + made.length }))
      }
      return made
    }
    const { genesis } = chainParams('regtest')
    const ours = branch(genesis, 5, 1_600_000_000)
    headers.connect(1, concat(ours))
    headers.anchor = { height: 2, hash: headers.hashAt(2) ?? assert.fail() }
    const { tip } = headers
    assert.throws(
      () => {
        headers.connect(1, concat(branch(genesis, 9, 1_600_000_100)))
      },
      { code: 'ERR_WRONG_CHAIN' }
    )
    assert.throws(
      () => {
        headers.connect(2, concat(branch(ours[0] ?? genesis, 9, 1_600_000_100)))
      },
      { code: 'ERR_WRONG_CHAIN' }
    )
    assert.deepEqual(headers.tip, tip)
    headers.connect(3, concat(branch(ours[1] ?? genesis, 4, 1_600_000_100)))
    assert.equal(headers.height, 6)
    headers.connect(1, concat([...ours, ...branch(ours[4] ?? genesis, 2, 1_600_000_100)]))
    assert.equal(headers.height, 7)
  })
})
