import assert from 'node:assert/strict'
import { concat } from 'uint8arrays'
import { createElectrumChain } from '../../src/chain/chain.js'
import {
  type AnnouncedTip,
  HeaderFollower,
  type HeaderSource,
  syncHeaders
} from '../../src/chain/header-sync.js'
import { HEADER_SIZE } from '../../src/chain/header.js'
import { chainOfKept, HeaderChain, MAX_HEADERS } from '../../src/chain/headers.js'
import { chainParams, type ChainParams } from '../../src/chain/params.js'
import { startDevnet } from '../../src/devnet/index.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import { forgetHeaders, HeaderRecords, HEADERS_PREFIX, readHeaders } from '../../src/node/chain.js'
import { openSimStore } from '../../src/testing/disk.js'
import { FakeChain, hashOf, makeHeader } from './fake-chain.js'
import { FakeServer } from './fake-server.js'
import { realClock, Recorder, seededRandom } from './helpers.js'

class Source implements HeaderSource {
  asked: Array<[start: number, count: number]> = []

  constructor(
    readonly chain: FakeChain,
    readonly most = 2016
  ) {}

  async headers(start: number, count: number): Promise<Uint8Array> {
    this.asked.push([start, count])
    return concat(
      this.chain.blocks.slice(start, start + Math.min(count, this.most)).map(({ header }) => header)
    )
  }

  get tip(): AnnouncedTip {
    return { height: this.chain.height, header: this.chain.header(this.chain.height) }
  }
}

function synced(): HeaderChain {
  return new HeaderChain(chainParams('regtest'))
}

describe('header chain', () => {
  it('starts at the first block of the network', () => {
    assert.deepEqual(synced().tip, {
      height: 0,
      hash: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206'
    })
  })

  it('grows past its first buffer and still knows every hash', () => {
    const fake = new FakeChain()
    fake.mine(4200)
    const headers = synced()
    headers.connect(1, concat(fake.blocks.slice(1).map(({ header }) => header)))
    assert.equal(headers.height, 4200)
    assert.equal(headers.tip.hash, fake.tipHash)
    for (const height of [0, 4_099]) {
      assert.deepEqual(headers.headerAt(height), fake.header(height))
    }
    assert.equal(headers.hashAt(4201), undefined)
    assert.equal(headers.headerAt(-1), undefined)
    const buried = headers.upTo(4_150)
    assert.deepEqual(buried.tip, { height: 4_150, hash: hashOf(fake.header(4_150)) })
    assert.deepEqual(
      headers.between(4_199, 9_999),
      concat([4_199, 4_200].map((at) => fake.header(at)))
    )
  })

  it('counts its work up to each of its blocks, also after another branch has taken their place', () => {
    const fake = new FakeChain()
    fake.mine(20)
    const headers = synced()
    const headersFrom = (height: number): Uint8Array =>
      concat(fake.blocks.slice(height).map(({ header }) => header))
    headers.connect(1, headersFrom(1))
    assert.deepEqual(
      [-1, 0, 10, 20].map((height) => headers.workUpTo(height)),
      [0n, 2n, 22n, 42n]
    )
    fake.unmine(5)
    fake.mine(4)
    assert.throws(
      () => {
        headers.connect(16, headersFrom(16))
      },
      { code: 'ERR_CHAIN_BEHIND', facts: { height: 19, known: 20 } }
    )
    fake.mine(2)
    headers.connect(16, headersFrom(16))
    assert.deepEqual([headers.height, headers.workUpTo(21)], [21, 44n])
  })

  it('stays as it was when what it is given is refused', () => {
    const fake = new FakeChain()
    fake.mine(3)
    const headers = synced()
    headers.connect(1, concat(fake.blocks.slice(1).map(({ header }) => header)))
    const bad = makeHeader(fake.header(3), new Uint8Array(32), { work: false })
    assert.throws(
      () => {
        headers.connect(4, bad)
      },
      { code: 'ERR_CHAIN_LIED' }
    )
    assert.deepEqual(headers.tip, { height: 3, hash: fake.tipHash })
    // The last height that there is room for, and the one above.
    assert.throws(
      () => {
        headers.connect(MAX_HEADERS - 1, bad)
      },
      (error) => error instanceof Error && !error.message.includes('more than')
    )
    assert.throws(
      () => {
        headers.connect(MAX_HEADERS, bad)
      },
      { code: 'ERR_CHAIN_LIED', message: /claims more than 2000000 blocks/ }
    )
  })
})

describe('header sync', () => {
  it('fetches a chain in batches, however few headers the server gives at a time', async () => {
    const fake = new FakeChain()
    fake.mine(100)
    const headers = synced()
    const source = new Source(fake, 7)
    assert.equal(await syncHeaders(headers, source, source.tip), 1)
    assert.equal(headers.tip.hash, fake.tipHash)
  })

  it('asks for nothing when the tip is known', async () => {
    const fake = new FakeChain()
    fake.mine(5)
    const headers = synced()
    await syncHeaders(headers, new Source(fake), new Source(fake).tip)
    const again = new Source(fake)
    assert.equal(await syncHeaders(headers, again, again.tip), undefined)
    assert.deepEqual(again.asked, [])
  })

  it('takes one new block from the announcement itself', async () => {
    const fake = new FakeChain()
    fake.mine(5)
    const headers = synced()
    await syncHeaders(headers, new Source(fake), new Source(fake).tip)
    fake.mine()
    const source = new Source(fake)
    assert.equal(await syncHeaders(headers, source, source.tip), 6)
    assert.deepEqual(source.asked, [[5, 1]])
  })

  it('checks the first block even of a server that has no other', async () => {
    const fake = new FakeChain()
    const headers = synced()
    assert.equal(await syncHeaders(headers, new Source(fake), new Source(fake).tip), undefined)
    fake.blocks[0] = { header: chainParams('signet').genesis, transactions: [] }
    await assert.rejects(syncHeaders(headers, new Source(fake), new Source(fake).tip), {
      code: 'ERR_WRONG_NETWORK',
      message: /regtest/
    })
  })

  it('refuses a server of another network', async () => {
    const fake = new FakeChain()
    fake.blocks[0] = { header: chainParams('mainnet').genesis, transactions: [] }
    fake.mine(3)
    await assert.rejects(syncHeaders(synced(), new Source(fake), new Source(fake).tip), {
      code: 'ERR_WRONG_NETWORK'
    })
  })

  for (const depth of [1, 2, 11, 150]) {
    it(`walks back ${depth} blocks to where a reorganisation began`, async () => {
      const fake = new FakeChain()
      fake.mine(200)
      const headers = synced()
      await syncHeaders(headers, new Source(fake), new Source(fake).tip)
      fake.unmine(depth)
      fake.mine(depth + 1)
      const source = new Source(fake)
      assert.equal(await syncHeaders(headers, source, source.tip), 200 - depth + 1)
      assert.deepEqual(headers.tip, { height: 201, hash: fake.tipHash })
    })
  }

  it('refuses a branch with less work and keeps its own', async () => {
    const fake = new FakeChain()
    fake.mine(20)
    const headers = synced()
    await syncHeaders(headers, new Source(fake), new Source(fake).tip)
    const best = fake.tipHash
    fake.unmine(5)
    fake.mine(4)
    await assert.rejects(syncHeaders(headers, new Source(fake), new Source(fake).tip), {
      code: 'ERR_CHAIN_BEHIND'
    })
    assert.equal(headers.tip.hash, best)
  })

  it("goes over to a branch with the same work: the server's histories and proofs are of that one", async () => {
    const fake = new FakeChain()
    fake.mine(20)
    const headers = synced()
    await syncHeaders(headers, new Source(fake), new Source(fake).tip)
    fake.unmine(5)
    fake.mine(5)
    assert.equal(await syncHeaders(headers, new Source(fake), new Source(fake).tip), 16)
    assert.deepEqual(headers.tip, { height: 20, hash: fake.tipHash })
  })

  it('refuses a server that is behind on our own chain', async () => {
    const fake = new FakeChain()
    fake.mine(20)
    const headers = synced()
    await syncHeaders(headers, new Source(fake), new Source(fake).tip)
    fake.unmine(1)
    await assert.rejects(syncHeaders(headers, new Source(fake), new Source(fake).tip), {
      code: 'ERR_CHAIN_BEHIND'
    })
  })

  it('refuses a tip that is not the last of the headers', async () => {
    const fake = new FakeChain()
    fake.mine(5)
    const tip = { height: 5, header: makeHeader(fake.header(4), new Uint8Array(32).fill(1)) }
    const headers = synced()
    await assert.rejects(syncHeaders(headers, new Source(fake), tip), { code: 'ERR_CHAIN_LIED' })
    assert.equal(headers.height, 0)
  })

  it('refuses to fetch more headers than fit, or none where some were announced', async () => {
    const fake = new FakeChain()
    const header = fake.header(0)
    await assert.rejects(syncHeaders(synced(), new Source(fake), { height: MAX_HEADERS, header }), {
      code: 'ERR_CHAIN_LIED'
    })
    await assert.rejects(syncHeaders(synced(), new Source(fake), { height: 10, header }), {
      code: 'ERR_CHAIN_LIED',
      message: /no proper headers/
    })
  })

  it('has room for two million headers, and says at which height there is none left', () => {
    const one = new Uint8Array(HEADER_SIZE)
    assert.throws(
      () => {
        synced().connect(MAX_HEADERS, one)
      },
      { code: 'ERR_CHAIN_LIED', facts: { height: MAX_HEADERS } }
    )
    assert.throws(
      () => {
        synced().connect(MAX_HEADERS - 1, one)
      },
      ({ message }: Error) => !message.includes('more than')
    )
  })

  it('refuses a tip without a header, and one whose header is cut', async () => {
    const fake = new FakeChain()
    fake.mine(1)
    for (const header of [new Uint8Array(0), fake.header(1).subarray(0, 79)]) {
      const tip = { height: 1, header }
      await assert.rejects(syncHeaders(synced(), new Source(fake), tip), { code: 'ERR_CHAIN_LIED' })
    }
  })
})

describe('chain / header follower', () => {
  it('takes a tip that comes in the very moment in which it is done with the one before', async () => {
    const devnet = await startDevnet({ seed: 'follower' })
    try {
      const header = async (height: number): Promise<Uint8Array> =>
        (await devnet.backend.header(height)) ?? assert.fail()
      const source: HeaderSource = {
        headers: async (start, count) =>
          Buffer.concat(
            await Promise.all(Array.from({ length: count }, (_, n) => header(start + n)))
          )
      }
      const [older, newer] = [
        { height: 100, header: await header(100) },
        { height: 120, header: await header(120) }
      ]
      // Microtasks between the two: whatever the moment is, one of these hits it.
      for (let ticks = 0; ticks < 20; ticks++) {
        const headers = new HeaderChain(chainParams('regtest'))
        let late: Promise<void> | undefined
        const follower: HeaderFollower = new HeaderFollower(headers, (from) => {
          if (from > 1 || late !== undefined) return
          late = afterTicks(ticks).then(async () => {
            await follower.follow(source, newer)
          })
        })
        await follower.follow(source, older)
        await late
        assert.equal(headers.height, 120, `with ${ticks} microtasks in between`)
      }
    } finally {
      await devnet.stop()
    }
  })
})

async function afterTicks(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await Promise.resolve()
}

/* Headers of an earlier run: which of them are taken, and what is asked for beside them. */

const HEIGHT = 2_100

describe('kept headers', () => {
  let blocks: FakeChain
  let params: ChainParams
  const now = (): number => Date.now()
  const headers = (from: number, to: number): Uint8Array =>
    concat(blocks.blocks.slice(from, to).map(({ header }) => header))

  before(() => {
    blocks = new FakeChain()
    blocks.mine(HEIGHT + 2_100)
    params = {
      ...chainParams('regtest'),
      checkpoint: { height: HEIGHT, hash: hashOf(blocks.header(HEIGHT)) }
    }
  })

  it('are taken as they are: from the first block, from the checkpoint on, and from below it', () => {
    const whole = chainOfKept(chainParams('regtest'), undefined, now, {
      first: 0,
      headers: headers(0, 51)
    })
    assert.deepEqual([whole?.first, whole?.height, whole?.workUpTo(50)], [0, 50, 102n])
    for (const first of [2_016, 0]) {
      const chain = chainOfKept(params, undefined, now, {
        first,
        headers: headers(first, HEIGHT + 10)
      })
      assert.deepEqual([chain?.first, chain?.tip.hash], [first, hashOf(blocks.header(HEIGHT + 9))])
    }
  })

  it('are not when they are damaged, of another chain, or end before the checkpoint', () => {
    const kept = { first: 2_016, headers: headers(2_016, HEIGHT + 10) }
    for (const at of [10, 85 * HEADER_SIZE + 10, kept.headers.length - 10]) {
      const damaged = Uint8Array.from(kept.headers)
      damaged[at] = (damaged[at] ?? 0) ^ 1
      assert.equal(
        chainOfKept(params, undefined, now, { ...kept, headers: damaged }),
        undefined,
        String(at)
      )
    }
    assert.equal(
      chainOfKept(params, undefined, now, { ...kept, headers: kept.headers.subarray(1) }),
      undefined
    )
    assert.equal(
      chainOfKept(params, undefined, now, { ...kept, headers: headers(2_016, HEIGHT) }),
      undefined
    )
    assert.equal(
      chainOfKept(params, undefined, now, {
        first: HEIGHT + 1,
        headers: headers(HEIGHT + 1, HEIGHT + 10)
      }),
      undefined
    )
    assert.equal(
      chainOfKept(params, { height: HEIGHT + 5, hash: 'ab'.repeat(32) }, now, kept),
      undefined
    )
    assert.equal(chainOfKept(chainParams('signet'), undefined, now, kept), undefined)
    for (const first of [1, 2]) {
      const named = { first, headers: headers(0, 2) }
      assert.equal(chainOfKept(chainParams('regtest'), undefined, now, named), undefined)
    }
  })

  it('are not asked for again', async () => {
    const server = await new FakeServer(blocks).listen()
    const known =
      chainOfKept(params, undefined, now, { first: 0, headers: headers(0, HEIGHT + 1) }) ??
      assert.fail()
    const chain = createElectrumChain({
      url: server.url,
      network: 'regtest',
      clock: realClock,
      random: seededRandom(),
      known
    })
    const statuses = new Recorder<ChainStatus>()
    chain.onStatus((status) => {
      statuses.push(status)
    })
    await chain.start()
    await statuses.when((status) => status === 'synced')
    const starts = server.requests.all.flatMap(({ method, params: [start] }) =>
      method === 'blockchain.block.headers' ? [Number(start)] : []
    )
    assert.deepEqual(
      [Math.min(...starts), chain.tip?.hash, known.height],
      [HEIGHT, blocks.tipHash, HEIGHT],
      'and what was known is left as it was'
    )
    await chain.stop()
    await server.close()
  })

  it('come back from the store as they were written, however often and by how much they have grown', async () => {
    const store = openSimStore()
    const chain = new HeaderChain(params)
    chain.start(2_016, headers(2_016, HEIGHT + 1))
    chain.connect(HEIGHT + 1, headers(HEIGHT + 1, HEIGHT + 2_101))
    let records = new HeaderRecords(store, undefined)
    for (const height of [HEIGHT, HEIGHT + 100, 4_031, 4_032, HEIGHT + 2_000]) {
      await records.write(chain, height)
      const kept = await readHeaders(store)
      assert.deepEqual(kept, { first: 2_016, headers: headers(2_016, height + 1) }, String(height))
      records = new HeaderRecords(store, kept)
    }
    const before = store.batches
    await records.write(chain, HEIGHT + 2_000)
    assert.equal(store.batches, before, 'what is there is not written again')
    chain.prepend(0, headers(0, 2_016))
    await records.write(chain, HEIGHT + 2_000)
    assert.deepEqual(await readHeaders(store), { first: 0, headers: headers(0, HEIGHT + 2_001) })
  })

  it('of which a part is missing are those behind the gap; and they can be forgotten', async () => {
    const store = openSimStore()
    const chain = new HeaderChain(chainParams('regtest'))
    chain.connect(1, headers(1, HEIGHT + 2_101))
    await new HeaderRecords(store, undefined).write(chain, HEIGHT + 2_000)
    await store.commit([{ key: `${HEADERS_PREFIX}000002016`, value: undefined }])
    assert.equal((await readHeaders(store))?.first, 4_032)
    await store.commit([{ key: `${HEADERS_PREFIX}000002016`, value: new Uint8Array(80) }])
    assert.equal((await readHeaders(store))?.first, 4_032)
    await forgetHeaders(store)
    assert.equal(await readHeaders(store), undefined)
  })
})
