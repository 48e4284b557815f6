import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ApiClient, connectApi } from '../../src/daemon/client.js'
import { type ApiServer, serveApi } from '../../src/daemon/server.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { type ApiFixture, channel, FakeNode, paid, PEER, peer, startApi } from './fake-node.js'

describe('the local API, its life', () => {
  let api: ApiFixture
  let dir: string
  let socketPath: string
  let node: FakeNode
  let server: ApiServer
  let client: ApiClient

  beforeEach(async () => {
    api = await startApi()
    ;({ dir, socketPath, node, server, client } = api)
  })

  afterEach(async () => {
    await api.stop()
  })

  describe('the socket', () => {
    it('can be used by its owner only', async () => {
      assert.equal((await stat(socketPath)).mode & 0o777, 0o600)
    })

    it('is made private even where the umask is open, which stays as it was', async () => {
      const before = process.umask(0)
      try {
        const path = join(dir, 'open.sock')
        const other = await serveApi(node, path)
        assert.equal((await stat(path)).mode & 0o777, 0o600)
        assert.equal(process.umask(), 0)
        await other.close()
      } finally {
        process.umask(before)
      }
    })

    it('is gone after close, which may be called twice', async () => {
      await server.close()
      await server.close()
      await assert.rejects(stat(socketPath), { code: 'ENOENT' })
      await assert.rejects(client.info(), { code: 'ERR_NODE_NOT_RUNNING' })
    })

    it('of a living process is left alone', async () => {
      await assert.rejects(serveApi(new FakeNode(), socketPath), { code: 'ERR_ALREADY_RUNNING' })
      assert.deepEqual(await client.peers.list(), [peer])
    })

    it('of a dead process is replaced', async () => {
      const path = join(dir, 'stale.sock')
      const child = spawn(
        process.execPath,
        [
          '-e',
          'require("net").createServer().listen(process.argv[1], () => console.log("up"))',
          path
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] }
      )
      await once(child.stdout, 'data')
      child.kill('SIGKILL')
      await once(child, 'exit')
      assert.ok((await stat(path)).isSocket())
      const reborn = await serveApi(node, path)
      const other = connectApi(path)
      assert.deepEqual(await other.peers.list(), [peer])
      other.disconnect()
      await reborn.close()
    })

    it('does not replace a file that is no socket', async () => {
      const path = join(dir, 'precious')
      await writeFile(path, 'x')
      await assert.rejects(serveApi(node, path), { code: 'ERR_SOCKET_FAILED' })
      assert.equal((await stat(path)).size, 1)
    })

    it('whose path is too long is refused with the way out', async () => {
      const path = join(dir, 'x'.repeat(120), 'api.sock')
      await assert.rejects(serveApi(node, path), {
        code: 'ERR_SOCKET_PATH_TOO_LONG',
        message: /shorter --data/
      })
      assert.throws(() => connectApi(path), { code: 'ERR_SOCKET_PATH_TOO_LONG' })
    })

    it('that cannot be made is explained', async () => {
      const file = join(dir, 'file')
      await writeFile(file, 'x')
      await assert.rejects(serveApi(node, join(file, 'api.sock')), {
        code: 'ERR_SOCKET_FAILED',
        message: /permissions/
      })
    })
  })

  describe('the client', () => {
    it('says how to start a node that is not running', async () => {
      const absent = connectApi(join(dir, 'absent.sock'))
      await assert.rejects(absent.info(), {
        code: 'ERR_NODE_NOT_RUNNING',
        message: /start it with `paychan start/
      })
      await assert.rejects(absent.events.follow(() => {}).ready, { code: 'ERR_NODE_NOT_RUNNING' })
    })

    it('says that the outcome is unknown when the node ends during a call', async () => {
      node.answers.pay = async () => {
        await server.close()
        return paid
      }
      await assert.rejects(client.pay({ to: PEER, amount: satoshi(1n) }), {
        code: 'ERR_API_FAILED',
        message: /unknown/
      })
    })
  })

  describe('stop', () => {
    it('stops the node, answers, and ends the server', async () => {
      await client.stop()
      await server.closed
      assert.deepEqual(node.calls, [{ verb: 'stop', args: [] }])
      await assert.rejects(client.info(), { code: 'ERR_NODE_NOT_RUNNING' })
    })

    it('ends the server even when the one who asked is gone', async () => {
      let stopping = (): void => {}
      const asked = new Promise<void>((resolve) => {
        stopping = resolve
      })
      let finish = (): void => {}
      node.answers.stop = async () => {
        stopping()
        await new Promise<void>((resolve) => {
          finish = resolve
        })
      }
      const call = client.stop()
      await asked
      client.disconnect()
      await assert.rejects(call, { code: 'ERR_API_FAILED' })
      finish()
      await server.closed
    })

    it('that fails is reported, and the server goes on', async () => {
      node.answers.stop = async () => {
        throw new PaychanError('ERR_STORE_FAILED', 'The disk is full.')
      }
      await assert.rejects(client.stop(), { code: 'ERR_STORE_FAILED' })
      assert.deepEqual(await client.peers.list(), [peer])
    })
  })
})

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
      async ({ signal }) => await client.channels.open({ ...REQUEST, signal })
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
    await assert.rejects(client.channels.open({ ...REQUEST, signal: AbortSignal.abort() }), {
      code: 'ERR_CANCELLED'
    })
  })

  it('is not possible without a signal, and does nothing after the end', async () => {
    const { node, client } = api
    await client.channels.open(REQUEST)
    assert.equal(node.signal, undefined)
    const controller = new AbortController()
    assert.deepEqual(await client.channels.open({ ...REQUEST, signal: controller.signal }), channel)
    const before = node.signal
    controller.abort()
    await client.wallet.balance()
    assert.equal((before as AbortSignal | undefined)?.aborted, false)
  })
})
