import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import fc from 'fast-check'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ApiClient } from '../../src/daemon/client.js'
import { type ApiServer, MAX_BODY_BYTES } from '../../src/daemon/server.js'
import { VERBS } from '../../src/daemon/verbs.js'
import type { NodeEvent } from '../../src/node/api.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockDelta, satoshi } from '../../src/types/units.js'
import {
  type ApiFixture,
  balance,
  bumped,
  channel,
  CHANNEL,
  type FakeNode,
  FUNDING,
  info,
  paid,
  payment,
  PEER,
  peer,
  placesOf,
  rawBytes,
  rawRequest,
  recovered,
  sent,
  servedPlaces,
  startApi,
  transaction
} from './fake-node.js'

describe('the local API', () => {
  let api: ApiFixture
  let socketPath: string
  let node: FakeNode
  let server: ApiServer
  let client: ApiClient

  beforeEach(async () => {
    api = await startApi()
    ;({ socketPath, node, server, client } = api)
  })

  afterEach(async () => {
    await api.stop()
  })

  describe('verbs', () => {
    it('have a row for each call of a node, which the client has at the same place', () => {
      assert.deepEqual(
        placesOf(client),
        [...servedPlaces(), 'disconnect', 'events.follow', 'events.on'].sort()
      )
      assert.equal(VERBS.get('coins')?.call, 'wallet.coins')
    })

    it('come back from the wire as the node gave them', async () => {
      assert.deepEqual(await client.info(), info)
      assert.equal(await client.wallet.address(), 'bcrt1qaddress')
      assert.deepEqual(await client.wallet.balance(), balance)
      assert.deepEqual(
        await client.wallet.send({ to: 'bcrt1qaddress', amount: satoshi(30_000n) }),
        sent
      )
      assert.deepEqual(await client.wallet.bumpFee(FUNDING), bumped)
      assert.deepEqual(await client.wallet.transactions(), [transaction])
      await client.wallet.label(FUNDING, 'to bob')
      assert.deepEqual(await client.peers.connect('/ip4/127.0.0.1/tcp/1'), peer)
      assert.deepEqual(await client.peers.list(), [peer])
      assert.deepEqual(await client.channels.recover(PEER), recovered)
      assert.deepEqual(await client.channels.open({ peer: PEER, amount: satoshi(1n) }), channel)
      assert.deepEqual(
        await client.pay({ to: PEER, amount: satoshi(1_000n), memo: 'coffee' }),
        paid
      )
      assert.deepEqual(await client.channels.list(), [channel])
      assert.deepEqual(await client.payments.list(), [payment])
      assert.deepEqual(await client.channels.close(CHANNEL), {
        channel: CHANNEL,
        kind: 'close',
        txid: FUNDING
      })
    })

    it('reach the node with what was asked, and with nothing that was not', async () => {
      await client.peers.connect('/ip4/127.0.0.1/tcp/1')
      await client.channels.recover(PEER)
      await client.channels.open({
        peer: PEER,
        amount: satoshi(2_100_000_000_000_000n),
        blocks: blockDelta(144),
        wait: 'broadcast'
      })
      await client.channels.open({ peer: PEER, amount: satoshi(7n) })
      await client.pay({ to: CHANNEL, amount: satoshi(1_007_199_254_740_993n), memo: 'ü\n\u0000' })
      await client.pay({ to: PEER, amount: satoshi(5n), id: 'invoice 17' })
      await client.wallet.send({
        to: 'bcrt1qaddress',
        amount: 'all',
        satPerVByte: 2.5,
        label: 'rent',
        dryRun: true
      })
      await client.wallet.bumpFee(FUNDING, { satPerVByte: 12 })
      await client.wallet.label(FUNDING, '')
      await client.payments.list({ channel: CHANNEL, limit: 5 })
      await client.payments.list()
      await client.channels.close(CHANNEL, { force: true })
      await client.channels.close(CHANNEL, { satPerVByte: 20 })
      await client.channels.close(CHANNEL)
      assert.deepEqual(node.calls, [
        { verb: 'connect', args: ['/ip4/127.0.0.1/tcp/1'] },
        { verb: 'recover', args: [PEER] },
        {
          verb: 'open',
          args: [{ peer: PEER, amount: 2_100_000_000_000_000n, blocks: 144, wait: 'broadcast' }]
        },
        { verb: 'open', args: [{ peer: PEER, amount: 7n }] },
        { verb: 'pay', args: [{ to: CHANNEL, amount: 1_007_199_254_740_993n, memo: 'ü\n\u0000' }] },
        { verb: 'pay', args: [{ to: PEER, amount: 5n, id: 'invoice 17' }] },
        {
          verb: 'send',
          args: [
            { to: 'bcrt1qaddress', amount: 'all', satPerVByte: 2.5, label: 'rent', dryRun: true }
          ]
        },
        { verb: 'bumpFee', args: [FUNDING, { satPerVByte: 12 }] },
        { verb: 'label', args: [FUNDING, ''] },
        { verb: 'payments', args: [{ channel: CHANNEL, limit: 5 }] },
        { verb: 'payments', args: [{}] },
        { verb: 'close', args: [CHANNEL, { force: true }] },
        { verb: 'close', args: [CHANNEL, { satPerVByte: 20 }] },
        { verb: 'close', args: [CHANNEL, {}] }
      ])
    })

    it('write amounts as decimal strings and what is not known as null', async () => {
      const { body } = await rawRequest(socketPath, 'POST', '/v1/channels')
      const [first] = body.result as [Record<string, unknown>]
      assert.equal(first['ourBalance'], '750000')
      assert.equal(first['spend'], null)
    })

    it('run at the same time', async () => {
      let waiting = 0
      let release = (): void => {}
      const everybody = new Promise<void>((resolve) => {
        release = resolve
      })
      node.answers.pay = async ({ amount }) => {
        if (++waiting === 40) release()
        await everybody
        return { ...paid, amount: satoshi(amount) }
      }
      const answers = await Promise.all(
        Array.from(
          { length: 40 },
          async (_, i) => await client.pay({ to: PEER, amount: satoshi(BigInt(i)) })
        )
      )
      assert.deepEqual(
        answers.map(({ amount }) => Number(amount)),
        Array.from({ length: 40 }, (_, i) => i)
      )
    })
  })

  describe('errors', () => {
    it('of the node arrive with code, sentence and facts', async () => {
      node.answers.pay = async () => {
        throw new PaychanError(
          'ERR_INSUFFICIENT_BALANCE',
          'Asked to pay 500 sat, but 400 sat are left.',
          { asked: 500n, left: 400n }
        )
      }
      await assert.rejects(client.pay({ to: PEER, amount: satoshi(500n) }), {
        name: 'PaychanError',
        code: 'ERR_INSUFFICIENT_BALANCE',
        message: 'Asked to pay 500 sat, but 400 sat are left.',
        facts: { asked: '500', left: '400' }
      })
    })

    for (const [code, status] of [
      ['ERR_INSUFFICIENT_BALANCE', 409],
      ['ERR_INVALID_AMOUNT', 400],
      ['ERR_NO_CHANNEL', 404],
      ['ERR_PEER_UNREACHABLE', 502],
      ['ERR_CHAIN_UNAVAILABLE', 503]
    ] as const) {
      it(`${code} has status ${status}`, async () => {
        node.answers.balance = async () => {
          throw new PaychanError(code, 'No.')
        }
        assert.equal((await rawRequest(socketPath, 'POST', '/v1/balance')).status, status)
      })
    }

    it('that are bugs have status 500 and do not end the server', async () => {
      node.answers.balance = async () => {
        throw new TypeError('x is undefined')
      }
      const { status, body } = await rawRequest(socketPath, 'POST', '/v1/balance')
      assert.equal(status, 500)
      assert.equal(body.error?.code, 'ERR_INTERNAL')
      assert.deepEqual(await client.peers.list(), [peer])
    })
  })

  describe('refuses', () => {
    const cases: ReadonlyArray<
      readonly [
        what: string,
        method: string,
        path: string,
        body: string,
        status: number,
        code: string
      ]
    > = [
      ['an unknown verb', 'POST', '/v1/spend', '{}', 404, 'ERR_UNKNOWN_VERB'],
      ['a name that every object has', 'POST', '/v1/constructor', '{}', 404, 'ERR_UNKNOWN_VERB'],
      ['a verb of another version', 'POST', '/v2/info', '{}', 404, 'ERR_UNKNOWN_VERB'],
      ['GET on a verb', 'GET', '/v1/info', '', 405, 'ERR_METHOD_NOT_ALLOWED'],
      ['POST on the events', 'POST', '/v1/events', '{}', 405, 'ERR_METHOD_NOT_ALLOWED'],
      [
        'an unknown field',
        'POST',
        '/v1/pay',
        `{"to":"${PEER}","amount":"1","ammount":"2"}`,
        400,
        'ERR_UNKNOWN_FIELD'
      ],
      ['a field where none is', 'POST', '/v1/stop', '{"now":true}', 400, 'ERR_UNKNOWN_FIELD'],
      ['a missing field', 'POST', '/v1/pay', `{"to":"${PEER}"}`, 400, 'ERR_INVALID_REQUEST'],
      [
        'an amount that is a number',
        'POST',
        '/v1/pay',
        `{"to":"${PEER}","amount":1}`,
        400,
        'ERR_INVALID_REQUEST'
      ],
      [
        'a negative amount',
        'POST',
        '/v1/pay',
        `{"to":"${PEER}","amount":"-1"}`,
        400,
        'ERR_INVALID_AMOUNT'
      ],
      [
        'a fraction of a satoshi',
        'POST',
        '/v1/pay',
        `{"to":"${PEER}","amount":"1.5"}`,
        400,
        'ERR_INVALID_REQUEST'
      ],
      [
        'more than all bitcoin',
        'POST',
        '/v1/pay',
        `{"to":"${PEER}","amount":"2100000000000001"}`,
        400,
        'ERR_INVALID_AMOUNT'
      ],
      [
        'half a block',
        'POST',
        '/v1/open',
        `{"peer":"${PEER}","amount":"1","blocks":0.5}`,
        400,
        'ERR_INVALID_REQUEST'
      ],
      ['a list', 'POST', '/v1/info', '[]', 400, 'ERR_INVALID_REQUEST'],
      ['null', 'POST', '/v1/info', 'null', 400, 'ERR_INVALID_REQUEST'],
      ['text that is no JSON', 'POST', '/v1/info', '{"a":', 400, 'ERR_INVALID_REQUEST']
    ]
    for (const [what, method, path, body, status, code] of cases) {
      it(what, async () => {
        const answer = await rawRequest(socketPath, method, path, body)
        assert.equal(answer.body.error?.code, code)
        assert.equal(answer.status, status)
        assert.deepEqual(node.calls, [], 'the node must not hear of it')
      })
    }

    it('bytes that are not UTF-8', async () => {
      const answer = await rawRequest(
        socketPath,
        'POST',
        '/v1/pay',
        Buffer.from('{"to":"\u00fc","amount":"1"}', 'latin1')
      )
      assert.equal(answer.body.error?.code, 'ERR_INVALID_REQUEST')
      assert.deepEqual(node.calls, [])
    })

    it('a body that is too long, without waiting for its end', async () => {
      const answer = await rawRequest(socketPath, 'POST', '/v1/pay', 'x'.repeat(MAX_BODY_BYTES + 1))
      assert.equal(answer.status, 413)
      const unfinished = `POST /v1/pay HTTP/1.1\r\nHost: x\r\nContent-Length: ${MAX_BODY_BYTES * 100}\r\n\r\n${'x'.repeat(MAX_BODY_BYTES + 1)}`
      assert.match(await rawBytes(socketPath, unfinished), /^HTTP\/1\.1 413 /)
    })

    it('garbage, and goes on', async () => {
      const bytes = fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.string({ minLength: 1 }).map((text) => Buffer.from(`POST /v1/${text} HTTP/1.1\r\n\r\n`))
      )
      await fc.assert(
        fc.asyncProperty(bytes, async (garbage) => {
          const socket = createConnection(socketPath)
          socket.on('error', () => {})
          socket.end(garbage)
          socket.resume()
          await once(socket, 'close')
        }),
        { numRuns: 50 }
      )
      assert.deepEqual(await client.peers.list(), [peer])
      assert.deepEqual(
        node.calls.map(({ verb }) => verb),
        ['peers']
      )
    })

    it('anything that is not a verb, whatever its body', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...[...VERBS.keys()].filter((name) => name !== 'stop')),
          fc.json(),
          async (verb, body) => {
            const { status } = await rawRequest(socketPath, 'POST', `/v1/${verb}`, body)
            assert.ok(status === 400 || body.trim() === '{}', `${verb} ${body}: ${status}`)
          }
        ),
        { numRuns: 50 }
      )
    })
  })

  describe('events', () => {
    const block: NodeEvent = { type: 'chain', status: 'synced', height: channel.refundHeight }

    /** Follows until `count` events have come. */
    async function collect(count: number, during: () => void): Promise<NodeEvent[]> {
      const seen: NodeEvent[] = []
      await new Promise<void>((resolve, reject) => {
        const stream = client.events.follow((event) => {
          if (seen.push(event) === count) {
            stream.stop()
            resolve()
          }
        })
        stream.ready.then(during, reject)
      })
      return seen
    }

    it('arrive in order, each as it was', async () => {
      const events: NodeEvent[] = [
        block,
        { type: 'channel', channel, news: { kind: 'ready', confirmations: 1, minDepth: 1 } },
        {
          type: 'channel',
          channel,
          news: { kind: 'funding-built', by: 'wallet', fee: satoshi(180n), vsize: 153 },
          step: 6,
          txid: FUNDING
        },
        {
          type: 'channel',
          channel,
          news: { kind: 'renewed-as', channel: CHANNEL },
          step: 'close',
          txid: undefined
        },
        { type: 'payment', payment: { ...payment, memo: 'two\nlines' } },
        {
          type: 'alarm',
          code: 'ERR_CHAIN_LIED',
          text: 'The server lied.',
          facts: { height: 7, amount: '2100000000000000' },
          channel: undefined
        },
        { type: 'chain', status: 'down', height: undefined, reason: 'Nobody answers.' },
        {
          type: 'alarm',
          code: 'ERR_WATCH_FAILED',
          text: 'Twice more.',
          facts: {},
          channel: undefined,
          count: 2,
          channels: [CHANNEL, CHANNEL]
        }
      ]
      assert.deepEqual(
        await collect(events.length, () => {
          events.forEach((event) => {
            node.emit(event)
          })
        }),
        events
      )
    })

    it('are no longer followed by a reader that left', async () => {
      const stream = client.events.follow(() => {})
      await stream.ready
      assert.equal(node.followers(), 1)
      stream.stop()
      await stream.closed
      // The server hears of it in its own time: any later answer comes after that or before it.
      while (node.followers() > 0) await client.peers.list()
      assert.equal(node.followers(), 0)
    })

    it('do not pile up for a reader that does not read', async () => {
      const socket = createConnection(socketPath)
      socket.on('error', () => {})
      socket.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(socket, 'readable')
      const long = {
        type: 'alarm',
        code: 'ERR_X',
        text: 'x'.repeat(100_000),
        facts: {},
        channel: undefined
      } as const
      for (let i = 0; i < 100 && node.followers() > 0; i++) {
        node.emit(long)
        await client.peers.list()
      }
      assert.equal(node.followers(), 0)
      const lines: string[] = []
      socket.setEncoding('utf8')
      socket.on('data', (text: string) => {
        lines.push(text)
      })
      socket.resume()
      await once(socket, 'end')
      const text = lines.join('')
      assert.ok(text.length < 3_000_000, `${text.length} characters were kept for it`)
      assert.match(
        text.slice(text.lastIndexOf('{"type"')),
        /ERR_EVENTS_LOST/,
        'it is told why, in its last line'
      )
      socket.destroy()
    })

    it('end when the server ends', async () => {
      const stream = client.events.follow(() => {})
      await stream.ready
      await server.close()
      await stream.closed
    })
  })
})

describe('daemon / reference', () => {
  it('the tables of docs/ are what the tables of the code say', () => {
    const script = fileURLToPath(new URL('../../../scripts/reference.js', import.meta.url))
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], {
      encoding: 'utf8'
    })
    assert.equal(stderr, '')
    assert.equal(status, 0)
  })
})
