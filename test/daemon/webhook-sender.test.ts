/** Webhooks over HTTP, to a server on this machine. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type ApiClient, connectApi } from '../../src/daemon/client.js'
import { type ApiServer, serveApi } from '../../src/daemon/server.js'
import { webhooksByHttp } from '../../src/daemon/webhook-sender.js'
import type { NumberedNodeEvent } from '../../src/node/api.js'
import type { WebhookAnswer } from '../../src/node/webhook-delivery.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { LOCALHOST } from '../chain/tls-fixture.js'
import {
  type ApiFixture,
  channel,
  FakeNode,
  paid,
  payment,
  PEER,
  peer,
  startApi
} from './fake-node.js'

const told: NumberedNodeEvent = { number: 17, isLast: true, event: { type: 'payment', payment } }

describe('webhooks by HTTP', () => {
  const sender = webhooksByHttp()
  let server: Server
  let url: string
  let handle: RequestListener

  beforeEach(async () => {
    server = createServer((request, response) => {
      handle(request, response)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })

  afterEach(async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  })

  async function post(
    path = '/paid',
    signal = new AbortController().signal
  ): Promise<WebhookAnswer> {
    const headers = { 'content-type': 'application/json', 'webhook-id': 'msg_1' }
    return await sender.post({ url: url + path, headers, body: sender.bodyOf(told), signal })
  }

  /** What the server is asked, whole. */
  async function asked(answer: (response: ServerResponse) => void): Promise<{
    readonly request: IncomingMessage
    readonly body: string
    readonly answer: WebhookAnswer
  }> {
    const seen = new Promise<{ request: IncomingMessage; body: string }>((resolve) => {
      handle = (request, response) => {
        let body = ''
        request.setEncoding('utf8')
        request.on('data', (text: string) => {
          body += text
        })
        request.once('end', () => {
          resolve({ request, body })
          answer(response)
        })
      }
    })
    const [what, given] = await Promise.all([seen, post()])
    return { ...what, answer: given }
  }

  it('posts an event in the words of the API on TCP, with its number', async () => {
    const { request, body, answer } = await asked((response) => {
      response.writeHead(204).end()
    })
    assert.deepEqual([request.method, request.url], ['POST', '/paid'])
    assert.deepEqual(JSON.parse(body), {
      id: 17,
      type: 'payment',
      payment: {
        id: payment.id,
        channel: payment.channel,
        peerId: payment.peerId,
        direction: 'sent',
        amountSat: 1_000,
        memo: 'coffee',
        status: 'acknowledged',
        timeMs: payment.time
      }
    })
    assert.equal(request.headers['content-length'], String(Buffer.byteLength(body)))
    assert.deepEqual(
      [request.headers['content-type'], request.headers['webhook-id']],
      ['application/json', 'msg_1']
    )
    assert.deepEqual(answer, { status: 204, retryAfterMs: undefined })
  })

  it('follows no redirect', async () => {
    let count = 0
    handle = (_request, response) => {
      count++
      response.writeHead(307, { location: '/other' }).end()
    }
    assert.deepEqual(await post(), { status: 307, retryAfterMs: undefined })
    assert.equal(count, 1)
  })

  it('uses a connection again, and hears when it may come back', async () => {
    let connections = 0
    server.on('connection', () => {
      connections++
    })
    const waits = ['120', 'Wed, 21 Oct 2026 07:28:00 GMT', '-1']
    handle = (_request, response) => {
      response.writeHead(503, { 'retry-after': waits.shift() ?? '' }).end('try later')
    }
    const answers = [await post(), await post(), await post()]
    assert.deepEqual(
      answers.map((answer) => 'status' in answer && answer.retryAfterMs),
      [120_000, undefined, undefined]
    )
    assert.equal(connections, 1)
  })

  it('goes by the status of an answer that does not end', async () => {
    const closed: Array<Promise<unknown>> = []
    handle = (_request, response) => {
      response.writeHead(200)
      closed.push(once(response, 'close'))
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(4_096)));
      }
      response.on('drain', more)
      more()
    }
    assert.deepEqual(await post(), { status: 200, retryAfterMs: undefined })
    await Promise.all(closed)
  })

  it('goes by the status of an answer that stands still, when its time is over', async () => {
    const end = new AbortController()
    handle = (_request, response) => {
      response.writeHead(200)
      response.write('x')
    }
    const heard = new Promise<void>((resolve) => {
      const onResponse = (): void => {
        unsubscribe('http.client.response.finish', onResponse)
        resolve()
      }
      subscribe('http.client.response.finish', onResponse)
    })
    const posted = post('/paid', end.signal)
    await heard
    end.abort()
    assert.deepEqual(await posted, { status: 200, retryAfterMs: undefined })
  })

  it('posts to nobody whose certificate it does not trust', async () => {
    let count = 0
    const secure = createTlsServer(LOCALHOST, () => {
      count++
    })
    secure.listen(0, '127.0.0.1')
    await once(secure, 'listening')
    url = `https://127.0.0.1:${(secure.address() as AddressInfo).port}`
    assert.equal(await post().catch(codeOf), 'DEPTH_ZERO_SELF_SIGNED_CERT')
    assert.equal(count, 0)
    secure.close()
  })

  it('says why there is no answer', async () => {
    const end = new AbortController()
    handle = () => {
      end.abort()
    }
    await assert.rejects(post('/paid', end.signal), { name: 'AbortError' })
    handle = (request) => {
      request.socket.destroy()
    }
    assert.equal(await post().catch(codeOf), 'ECONNRESET')
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
    assert.equal(await post().catch(codeOf), 'ECONNREFUSED')
  })
})

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
