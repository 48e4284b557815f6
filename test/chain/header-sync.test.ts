import assert from 'node:assert/strict'
import { concat } from 'uint8arrays'
import { syncHeaders, type AnnouncedTip, type HeaderSource } from '../../src/chain/header-sync.js'
import { HeaderChain, MAX_HEADERS } from '../../src/chain/headers.js'
import { chainParams } from '../../src/chain/params.js'
import { FakeChain, makeHeader } from './fake-chain.js'

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
    assert.deepEqual(headers.headerAt(4099), fake.header(4099))
    assert.equal(headers.hashAt(4201), undefined)
    assert.equal(headers.headerAt(-1), undefined)
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
})
