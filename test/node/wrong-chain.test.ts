import assert from 'node:assert/strict'
import { join } from 'node:path'
import { startDevnet, type Devnet } from '../../src/devnet/index.js'
import { ANCHOR_KEY } from '../../src/node/chain-anchor.js'
import { STORE_DIRECTORY } from '../../src/node/layout.js'
import { untilHeight } from '../../src/node/until-height.js'
import { openLevelStore } from '../../src/store/level.js'
import { codeOfRejection, Fixture } from './fixture.js'

describe('a node with another chain behind its data directory', () => {
  let fixture: Fixture
  let other: Devnet
  beforeEach(async () => {
    fixture = await Fixture.create()
    other = await startDevnet({ seed: 'another chain' })
  })
  afterEach(async () => {
    await fixture.end()
    await other.stop()
  })

  it('says so loudly and does nothing on it; on the right one it goes on', async () => {
    const first = await fixture.node('alice')
    await first.api.stop()

    const { api, events } = await fixture.node('alice', { electrum: other.url }, 'started')
    const alarm = await events.when((event) => event.type === 'alarm')
    assert.deepEqual([alarm.type, 'code' in alarm && alarm.code], ['alarm', 'ERR_WRONG_CHAIN'])
    const { chain } = await api.info()
    assert.deepEqual([chain.status, chain.height], ['down', undefined])
    assert.match(chain.lastError ?? '', /another chain than the one of this data directory/)
    await api.stop()

    await fixture.node('alice')
  })

  it('ends the wait for a height with the reason, whenever it begins', async () => {
    const first = await fixture.node('alice')
    await first.api.stop()
    const { api, events } = await fixture.node('alice', { electrum: other.url }, 'started')
    assert.equal(await codeOfRejection(untilHeight(api, 20)), 'ERR_WRONG_CHAIN')
    await events.when((event) => event.type === 'alarm')
    assert.equal(await codeOfRejection(untilHeight(api, 20)), 'ERR_WRONG_CHAIN')
  })

  it('goes on with an alarm when the record of its chain is damaged, and writes another', async () => {
    const first = await fixture.node('bob')
    await first.api.stop()
    const directory = join(fixture.path('bob'), STORE_DIRECTORY)
    const store = await openLevelStore(directory)
    assert.match(new TextDecoder().decode(await store.get(ANCHOR_KEY)), /^1 20 [0-9a-f]{64}$/)
    await store.commit([{ key: ANCHOR_KEY, value: new Uint8Array([1, 2, 3]) }])
    await store.close()

    const second = await fixture.node('bob')
    assert.equal(
      second.events.all.some(
        (event) => event.type === 'alarm' && event.code === 'ERR_STORE_CORRUPT'
      ),
      true
    )
    await second.api.stop()
    const again = await openLevelStore(directory)
    assert.match(new TextDecoder().decode(await again.get(ANCHOR_KEY)), /^1 20 /)
    await again.close()
  })
})
