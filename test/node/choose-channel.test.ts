import assert from 'node:assert/strict'
import { channelByPrefix } from '../../src/node/choose.js'
import { channel } from './channels.js'

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
