import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertWholePeer, channelByPrefix, namesPeer, peerByEnds } from '../../src/node/choose.js'
import { VERSION } from '../../src/node/system.js'
import { systemClock, systemRandom } from '../../src/node/system.js'
import { FakeClock, seededRandom } from '../chain/helpers.js'
import { clockContract, randomContract } from '../contracts/clock.js'
import { channel } from './fixture.js'

describe('node / choosing a channel', () => {
  describe('by its id', () => {
    const channels = [channel('aabbccdd11'), channel('aabbccdd22'), channel('ffeeddcc')]

    it('takes the whole id, or as many digits as tell it from the others', () => {
      assert.equal(channelByPrefix(channels, 'ffeeddcc'.padEnd(64, '0')), channels[2])
      assert.equal(channelByPrefix(channels, 'aabbccdd1'), channels[0])
    })

    it('refuses digits that fit several, none, and what is too short or no id', () => {
      assert.throws(() => channelByPrefix(channels, 'aabbccdd'), { code: 'ERR_AMBIGUOUS_CHANNEL' })
      assert.throws(() => channelByPrefix(channels, '00112233'), { code: 'ERR_NO_CHANNEL' })
      for (const text of ['ffeeddc', 'FFEEDDCC', 'ffeeddcc'.padEnd(65, '0'), '', 'channel!']) {
        assert.throws(() => channelByPrefix(channels, text), { code: 'ERR_NO_CHANNEL' }, text)
      }
    })
  })
})

const BOB = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
const CAROL = '12D3KooWEyopqNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc7iDEp'

describe('node / choosing a peer', () => {
  it('takes the whole id, or a beginning or an end that no other has, as tables and examples write them', () => {
    for (const text of [
      BOB,
      BOB.slice(0, 13),
      BOB.slice(-5),
      BOB.slice(-8),
      BOB.slice(1),
      `…${BOB.slice(-8)}`,
      `...${BOB.slice(-8)}`,
      `${BOB.slice(0, 13)}...`
    ]) {
      assert.equal(peerByEnds([CAROL, BOB, BOB], text), BOB, text)
    }
    assert.equal(peerByEnds([BOB, `${BOB}x`], BOB), BOB, 'a whole one is never a part of another')
  })

  it('refuses a part that several have', () => {
    for (const text of ['iDEp', '12D3KooWEyop']) {
      assert.throws(() => peerByEnds([BOB, CAROL], text), {
        code: 'ERR_AMBIGUOUS_PEER',
        facts: { asked: text, matches: 2 }
      })
    }
  })

  it('takes nothing for a part that is shorter than 4 characters, the same for all keys of a kind, from the middle, or of other case', () => {
    for (const text of ['', 'DEp', '…DEp', '12D3KooW', '12D3KooWEyo', 'EyoppNCU', 'idep']) {
      assert.equal(peerByEnds([BOB], text), undefined, text)
    }
    assert.equal(namesPeer('6iDEp', BOB), true)
    assert.equal(namesPeer('7iDEp', BOB), false)
  })

  it('says of a part that nobody has where to look; what may be a whole id or an address is for others to judge', () => {
    assert.throws(
      () => {
        assertWholePeer('7iDEp')
      },
      {
        code: 'ERR_INVALID_PEER',
        message: /begins or ends with '7iDEp'.*`paychan peers` lists them/
      }
    )
    assertWholePeer(BOB)
    assertWholePeer('/ip4/127.0.0.1/tcp/1')
  })
})

describe('node / layout', () => {
  it('names the release as package.json does', async () => {
    const manifest: unknown = JSON.parse(await readFile('package.json', 'utf8'))
    assert.ok(typeof manifest === 'object' && manifest !== null && 'version' in manifest)
    assert.equal(VERSION, manifest.version)
  })
})

/* The clock and the dice of the machine keep the same contracts as those of the tests. */

clockContract('of the machine', () => ({
  clock: systemClock,
  pass: async (ms) => {
    await sleep(ms)
  }
}))
clockContract('of the tests', () => {
  const clock = new FakeClock()
  return {
    clock,
    pass: async (ms) => {
      clock.advance(ms)
    }
  }
})

randomContract('of the machine', () => systemRandom)
randomContract('of the tests', () => seededRandom(7))
