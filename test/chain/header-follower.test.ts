import assert from 'node:assert/strict'
import { HeaderFollower, type HeaderSource } from '../../src/chain/header-sync.js'
import { HeaderChain } from '../../src/chain/headers.js'
import { chainParams } from '../../src/chain/params.js'
import { startDevnet } from '../../src/devnet/devnet.js'

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
