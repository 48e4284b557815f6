/** A chain that begins at a checkpoint: what is known, fetched and refused, and where it joins. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { concat } from 'uint8arrays'
import { createElectrumChain, type ElectrumChain } from '../../src/chain/chain.js'
import {
  type AnnouncedTip,
  extendDown,
  HEADERS_BATCH,
  type HeaderSource,
  syncHeaders
} from '../../src/chain/header-sync.js'
import { HEADER_SIZE, PERIOD, targetFromBits } from '../../src/chain/header.js'
import { type Anchor, HeaderChain, MAX_HEADERS } from '../../src/chain/headers.js'
import { type HistorySource, VerifiedHistory } from '../../src/chain/history.js'
import { chainParams, type ChainParams } from '../../src/chain/params.js'
import { SharedFetches, UnprovedBudget } from '../../src/chain/shared-costs.js'
import { type Devnet, startDevnet } from '../../src/devnet/index.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import { txid } from '../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { FakeChain, hashOf, makeHeader } from './fake-chain.js'
import { FakeServer } from './fake-server.js'
import { realClock, Recorder, seededRandom, testScript } from './helpers.js'

const HEIGHT = 2_100

describe('header chain / checkpoint', () => {
  let blocks: FakeChain
  let params: ChainParams
  let asked: Array<[number, number]>
  let source: HeaderSource

  before(() => {
    blocks = new FakeChain()
    blocks.mine(HEIGHT + 20)
    params = {
      ...chainParams('regtest'),
      checkpoint: { height: HEIGHT, hash: hashOf(blocks.header(HEIGHT)) }
    }
  })

  beforeEach(() => {
    asked = []
    source = sourceOf(blocks)
  })

  const sourceOf = (of: FakeChain): HeaderSource => ({
    headers: async (start, count) => {
      asked.push([start, count])
      return concat(of.blocks.slice(start, start + count).map(({ header }) => header))
    }
  })
  const tipOf = (of: FakeChain, height = of.height): AnnouncedTip => ({
    height,
    header: of.header(height)
  })

  it('begins with the period of the checkpoint, and nothing before is asked for', async () => {
    const chain = new HeaderChain(params)
    assert.equal(chain.isStarted, false)
    assert.equal(await syncHeaders(chain, source, tipOf(blocks)), HEIGHT + 1)
    assert.deepEqual(
      [chain.first, chain.height, chain.tip.hash],
      [2_016, HEIGHT + 20, blocks.tipHash]
    )
    assert.ok(asked.every(([start]) => start >= 2_016))
    assert.equal(chain.hashAt(2_014), undefined)
    assert.equal(chain.workUpTo(chain.height), 2n * BigInt(chain.height - 2_016 + 1))
  })

  it('has room for so many headers from the first that it keeps on, not from the first of all', async () => {
    const chain = new HeaderChain(params)
    await syncHeaders(chain, source, tipOf(blocks))
    const far = (height: number): string => {
      try {
        chain.connect(height, blocks.header(1))
        return 'taken'
      } catch (error) {
        return error instanceof Error ? error.message : String(error)
      }
    }
    assert.doesNotMatch(far(chain.first + MAX_HEADERS - 1), /claims more than/)
    assert.match(far(chain.first + MAX_HEADERS), /claims more than 2000000 blocks/)
  })

  it('refuses a server of another chain, and one that has not come as far', async () => {
    const other = new FakeChain()
    other.pay(new Uint8Array(22).fill(3))
    other.mine(HEIGHT + 20)
    const refused = async (of: FakeChain, tip: AnnouncedTip): Promise<unknown> =>
      await syncHeaders(new HeaderChain(params), sourceOf(of), tip).catch(codeOf)
    assert.equal(await refused(other, tipOf(other)), 'ERR_WRONG_NETWORK')
    assert.equal(await refused(blocks, tipOf(blocks, HEIGHT - 1)), 'ERR_CHAIN_BEHIND')
  })

  it('refuses headers below the checkpoint that do not lead to it', async () => {
    const forged: HeaderSource = {
      headers: async (start, count) => {
        const honest = Uint8Array.from(await source.headers(start, count))
        honest.fill(1, 80 + 36, 80 + 68)
        return honest
      }
    }
    assert.equal(
      await syncHeaders(new HeaderChain(params), forged, tipOf(blocks)).catch(codeOf),
      'ERR_CHAIN_LIED'
    )
    const chain = new HeaderChain(params)
    await syncHeaders(chain, source, tipOf(blocks))
    assert.equal(await extendDown(chain, forged, 10).catch(codeOf), 'ERR_CHAIN_LIED')
    assert.equal(chain.first, 2_016)
  })

  it('starts with what ends at the checkpoint, at its height and with its hash, and nowhere without one', () => {
    const upTo = (height: number): Uint8Array =>
      concat(blocks.blocks.slice(HEIGHT - 10, height + 1).map(({ header }) => header))
    for (const [of, first, headers] of [
      [params, HEIGHT - 11, upTo(HEIGHT)],
      [params, HEIGHT - 11, upTo(HEIGHT + 1)],
      [params, HEIGHT - 10, upTo(HEIGHT - 1)],
      [chainParams('regtest'), HEIGHT - 10, upTo(HEIGHT)]
    ] as const) {
      assert.throws(
        () => {
          new HeaderChain(of).start(first, headers)
        },
        { code: 'ERR_WRONG_NETWORK' }
      )
    }
    const chain = new HeaderChain(params)
    assert.equal(chain.upTo(chain.height).isStarted, false)
    chain.start(HEIGHT - 10, upTo(HEIGHT))
    assert.deepEqual([chain.first, chain.height], [HEIGHT - 10, HEIGHT])
  })

  it('takes older headers where they end below its first one, and says at which height one does not follow', () => {
    const chain = new HeaderChain(params)
    const row = (from: number, to: number): Uint8Array =>
      concat(blocks.blocks.slice(from, to).map(({ header }) => header))
    assert.throws(
      () => {
        chain.prepend(0, row(0, 1))
      },
      { name: 'RangeError' }
    )
    chain.start(2_016, row(2_016, HEIGHT + 1))
    assert.throws(
      () => {
        chain.prepend(2_000, row(2_001, 2_016))
      },
      { name: 'RangeError', message: 'these headers do not end below height 2016' }
    )
    const forged = row(2_000, 2_016)
    forged.fill(1, 5 * HEADER_SIZE + 36, 5 * HEADER_SIZE + 68)
    assert.throws(
      () => {
        chain.prepend(2_000, forged)
      },
      { code: 'ERR_CHAIN_LIED', facts: { height: 2_006 } }
    )
    assert.equal(chain.first, 2_016)
  })

  it('goes further down for what is older, in whole batches, and knows the same blocks afterwards', async () => {
    const chain = new HeaderChain(params)
    await syncHeaders(chain, source, tipOf(blocks))
    asked = []
    await Promise.all([extendDown(chain, source, 10), extendDown(chain, source, 20)])
    assert.equal(chain.first, 0)
    assert.ok(asked.every(([, count]) => count === HEADERS_BATCH))
    for (const height of [0, 10, 2_015, 2_016, HEIGHT, HEIGHT + 20]) {
      assert.equal(chain.hashAt(height), hashOf(blocks.header(height)))
    }
    assert.equal(chain.height, HEIGHT + 20)
  })

  it('a server that names old heights again and again, to many scripts, and breaks off: each header is asked for once', async () => {
    const chain = new HeaderChain(params)
    await syncHeaders(chain, source, tipOf(blocks))
    asked = []
    let refusals = 2
    const liar: HistorySource = {
      headers: async (start, count) => {
        if (refusals-- > 0) throw new PaychanError('ERR_CHAIN_UNAVAILABLE', 'The connection broke.')
        return await source.headers(start, count)
      },
      history: async () => [{ txid: txid('ab'.repeat(32)), height: 10 }],
      transaction: async () => new Uint8Array(60),
      merkleProof: async () => ({ merkle: [], pos: 0 })
    }
    const scripts = Array.from(
      { length: 20 },
      (_, n) => new VerifiedHistory(testScript(n), new UnprovedBudget())
    )
    const codes: unknown[] = []
    for (let attempt = 0; attempt < 5; attempt++) {
      for (const outcome of await Promise.allSettled(
        scripts.map(
          async (script) =>
            await script.load({
              source: liar,
              headers: chain,
              catchUp: async () => {},
              shared: new SharedFetches()
            })
        )
      )) {
        codes.push(outcome.status === 'rejected' ? codeOf(outcome.reason) : 'believed')
      }
    }
    assert.deepEqual([asked, chain.first], [[[0, HEADERS_BATCH]], 0])
    assert.deepEqual([...new Set(codes)], ['ERR_CHAIN_UNAVAILABLE', 'ERR_CHAIN_LIED'])
  })

  it('follows a reorganisation above it, and none of it', async () => {
    const chain = new HeaderChain(params)
    await syncHeaders(chain, source, tipOf(blocks))
    const branch = new FakeChain()
    branch.blocks.splice(0, branch.blocks.length, ...blocks.blocks.slice(0, HEIGHT + 11))
    branch.pay(new Uint8Array(22).fill(4))
    branch.mine(11)
    assert.equal(await syncHeaders(chain, sourceOf(branch), tipOf(branch)), HEIGHT + 11)
    assert.equal(chain.tip.hash, branch.tipHash)
  })

  it('that of mainnet lies behind the split of 2026, so that no server of the minority chain is followed', () => {
    assert.ok((chainParams('mainnet').checkpoint?.height ?? 0) > 961_632)
  })

  it('every network but regtest has one', () => {
    for (const network of ['mainnet', 'testnet', 'testnet4', 'signet'] as const) {
      const { checkpoint } = chainParams(network)
      assert.match(checkpoint?.hash ?? '', /^(?=0{7})[0-9a-f]{64}$/)
      // The median time of what follows it needs eleven headers, and only those of its period are
      // fetched.
      assert.ok((checkpoint?.height ?? 0) % PERIOD >= 11)
      const target = targetFromBits(chainParams(network).powLimitBits) ?? 0n
      assert.ok(
        BigInt(`0x${checkpoint?.hash ?? ''}`) <= target,
        'proof of work, as far as a hash alone shows it'
      )
      assert.equal(new HeaderChain(chainParams(network)).isStarted, false)
    }
  })
})

/* `scripts/checkpoints.js`, on servers that agree, disagree, or are not there. */

const SCRIPT = fileURLToPath(new URL('../../../scripts/checkpoints.js', import.meta.url))

describe('the script that asks for checkpoints', () => {
  let devnet: Devnet
  before(async () => {
    devnet = await startDevnet({ seed: 'checkpoints' })
  })
  after(async () => {
    await devnet.stop()
  })

  async function run(...args: string[]): Promise<{ code: number; text: string }> {
    return await new Promise((resolve) => {
      execFile(process.execPath, [SCRIPT, ...args], (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), text: stdout + stderr })
      })
    })
  }

  it('says what each server has answered, and that all agree', async () => {
    const { url } = devnet
    const { code, text } = await run('regtest', '--height', '100', url, url, url)
    const hash =
      (await devnet.backend.header(100)) === undefined ? assert.fail() : text.match(/[0-9a-f]{64}/g)
    assert.deepEqual([code, hash?.length, new Set(hash).size], [0, 3, 1], text)
    assert.match(text, /Block 100 of regtest.*its tip is at 120.*All agree\./s)
  })

  it('takes nothing from servers that disagree, that are too few, or for a block that cannot be one', async () => {
    const other = await new FakeServer().listen()
    other.chain.mine(120)
    const { url } = devnet
    const disagreement = await run('regtest', '--height', '100', url, url, other.url)
    assert.deepEqual(
      [disagreement.code, /do not agree/.test(disagreement.text)],
      [1, true],
      disagreement.text
    )
    await other.close()
    const few = await run('regtest', '--height', '100', url, url, other.url)
    assert.deepEqual(
      [few.code, /Cannot reach.*2 of 3 have answered; at least 3/s.test(few.text)],
      [1, true],
      few.text
    )
    const early = await run('regtest', '--height', '5', url)
    assert.deepEqual(
      [early.code, /take one that is 6 higher/.test(early.text)],
      [1, true],
      early.text
    )
  })
})

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
