/** Webhooks over HTTP, to a server on this machine. */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { webhooksByHttp } from '../../src/daemon/webhook-sender.js'
import type { NumberedNodeEvent } from '../../src/node/api.js'
import type { WebhookAnswer } from '../../src/node/webhook-delivery.js'
import { codeOf } from '../../src/types/errors.js'
import { LOCALHOST } from '../chain/tls-fixture.js'
import { payment } from './fake-node.js'

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
