import assert from 'node:assert/strict'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { startApi, type ApiFixture } from './api-fixture.js'
import { channel, PEER } from './fake-node.js'

const REQUEST = { peer: PEER, amount: satoshi(1_000_000n) }

describe('cancelling over the local API', () => {
  let api: ApiFixture
  beforeEach(async () => {
    api = await startApi()
  })
  afterEach(async () => {
    await api.stop()
  })

  it('reaches the opening that it is for, and no other', async () => {
    const { node, client } = api
    const signals: AbortSignal[] = []
    let both = (): void => {}
    const asked = new Promise<void>((resolve) => {
      both = resolve
    })
    node.answers.open = async () => {
      const { signal } = node
      assert.ok(signal !== undefined)
      if (signals.push(signal) === 2) both()
      return await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(new PaychanError('ERR_CANCELLED', 'Cancelled.'))
        })
      })
    }
    const controllers = [new AbortController(), new AbortController()]
    const openings = controllers.map(
      async ({ signal }) => await client.open({ ...REQUEST, signal })
    )
    await asked
    controllers[0]?.abort()
    await assert.rejects(openings[0] ?? Promise.resolve(), { code: 'ERR_CANCELLED' })
    assert.equal(signals.filter(({ aborted }) => aborted).length, 1)
    controllers[1]?.abort()
    await assert.rejects(openings[1] ?? Promise.resolve(), { code: 'ERR_CANCELLED' })
  })

  it('may come before the opening', async () => {
    const { node, client } = api
    node.answers.open = async () => {
      if (node.signal?.aborted !== true) {
        await new Promise<void>((resolve) => {
          node.signal?.addEventListener('abort', () => {
            resolve()
          })
        })
      }
      throw new PaychanError('ERR_CANCELLED', 'Cancelled.')
    }
    await assert.rejects(client.open({ ...REQUEST, signal: AbortSignal.abort() }), {
      code: 'ERR_CANCELLED'
    })
  })

  it('is not possible without a signal, and does nothing after the end', async () => {
    const { node, client } = api
    await client.open(REQUEST)
    assert.equal(node.signal, undefined)
    const controller = new AbortController()
    assert.deepEqual(await client.open({ ...REQUEST, signal: controller.signal }), channel)
    const before = node.signal
    controller.abort()
    await client.balance()
    assert.equal((before as AbortSignal | undefined)?.aborted, false)
  })
})
