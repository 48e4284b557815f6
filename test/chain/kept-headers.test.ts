/** Headers of an earlier run: which of them are taken, and what is asked for beside them. */
import assert from 'node:assert/strict'
import { createElectrumChain } from '../../src/chain/chain.js'
import { HEADER_SIZE } from '../../src/chain/header.js'
import { chainOfKept, HeaderChain } from '../../src/chain/headers.js'
import { chainParams, type ChainParams } from '../../src/chain/params.js'
import type { ChainStatus } from '../../src/engine/ports.js'
import { concat } from 'uint8arrays'
import {
  forgetHeaders,
  HeaderRecords,
  HEADERS_PREFIX,
  readHeaders
} from '../../src/node/electrum-servers.js'
import { openSimStore } from '../../src/testing/disk.js'
import { FakeChain, hashOf } from './fake-chain.js'
import { FakeServer } from './fake-server.js'
import { realClock, Recorder, seededRandom } from './helpers.js'

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
