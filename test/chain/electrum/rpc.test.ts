import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import fc from 'fast-check'
import {
  LineSplitter,
  MOST_LATE,
  RpcConnection,
  type RpcOptions
} from '../../../src/chain/electrum/rpc.js'
import { ElectrumSession } from '../../../src/chain/electrum/session.js'
import { txid } from '../../../src/types/bytes.js'
import { codeOf, PaychanError } from '../../../src/types/errors.js'
import { FakeServer, Refusal, SILENCE } from '../fake-server.js'
import { FakeClock, Recorder } from '../helpers.js'

describe('electrum client', () => {
  let server: FakeServer
  let clock: FakeClock
  let rpc: RpcConnection
  let notifications: Recorder<[method: string, params: unknown]>

  async function connect(options: Partial<RpcOptions> = {}): Promise<RpcConnection> {
    const socket = createConnection(server.port, '127.0.0.1')
    await once(socket, 'connect')
    return new RpcConnection(socket, {
      clock,
      requestTimeout: 30_000,
      onNotification: (method, params) => {
        notifications.push([method, params])
      },
      ...options
    })
  }

  beforeEach(async () => {
    server = await new FakeServer().listen()
    clock = new FakeClock()
    notifications = new Recorder()
    rpc = await connect()
    await server.connections.when(() => true)
  })

  afterEach(async () => {
    rpc.close(new Error('the test is over'))
    await server.close()
  })

  it('keeps why the server has refused something when it hangs up after that, and not for longer', async () => {
    server.on('subscribe', () => {
      throw new Refusal('excessive resource usage')
    })
    await assert.rejects(rpc.request('subscribe', []), { code: 'ERR_ELECTRUM_REFUSED' })
    server.drop()
    const reason = await rpc.closed
    assert.deepEqual(
      [codeOf(reason), reason.message],
      [
        'ERR_CHAIN_UNAVAILABLE',
        'The Electrum server closed the connection. Its last word: it refused subscribe: excessive resource usage.'
      ]
    )

    rpc = await connect()
    await assert.rejects(rpc.request('subscribe', []))
    await rpc.request('server.version', ['test', '1.4'])
    server.drop()
    assert.equal((await rpc.closed).message, 'The Electrum server closed the connection.')
  })

  it('sends what is asked in one turn of the event loop with one write', async () => {
    const socket = createConnection(server.port, '127.0.0.1')
    await once(socket, 'connect')
    const written = new Recorder<unknown>()
    const write = socket.write.bind(socket)
    socket.write = (chunk: string | Uint8Array) => {
      written.push(chunk)
      return write(chunk)
    }
    server.on('echo', ([first]) => first)
    const several = new RpcConnection(socket, {
      clock,
      requestTimeout: 30_000,
      onNotification: () => {}
    })
    const ask = async (from: number): Promise<unknown> =>
      await Promise.all([0, 1, 2].map(async (n) => await several.request('echo', [from + n])))
    assert.deepEqual(await ask(1), [1, 2, 3])
    assert.equal(written.all.length, 1)
    assert.deepEqual(await ask(4), [4, 5, 6])
    assert.equal(written.all.length, 2)
    several.close(new Error('done'))
  })

  describe('request', () => {
    it('resolves with the result, and leaves no timer behind', async () => {
      assert.deepEqual(await rpc.request('server.version', ['test', '1.4']), [
        'FakeElectrum 1',
        '1.4'
      ])
      assert.equal(clock.pending, 0)
    })

    it('matches replies that come in another order', async () => {
      server.on('slow', () => SILENCE)
      server.on('fast', () => {
        server.send('{"jsonrpc":"2.0","id":0,"result":"slow"}\n')
        return 'fast'
      })
      assert.deepEqual(await Promise.all([rpc.request('slow', []), rpc.request('fast', [])]), [
        'slow',
        'fast'
      ])
    })

    it('has at most so many under way at once', async () => {
      rpc.close(new Error('another one is needed'))
      rpc = await connect({ maxOutstanding: 2 })
      server.on('held', () => SILENCE)
      const all = Promise.all([1, 2, 3].map((n) => rpc.request('held', [n])))
      await server.requests.when(({ params }) => params[0] === 2)
      assert.equal(server.count('held'), 2)
      server.send('{"id":1,"result":2}\n')
      await server.requests.when(({ params }) => params[0] === 3)
      server.send('{"id":0,"result":1}\n{"id":2,"result":3}\n')
      assert.deepEqual(await all, [1, 2, 3])
    })

    it('what carries money goes first, and finds a place though other answers never come (COST-3)', async () => {
      rpc.close(new Error('another one is needed'))
      rpc = await connect({ maxOutstanding: 4 })
      server.on('held', () => SILENCE)
      const ask = (name: string, rank: 'money' | 'news' | 'favour'): void => {
        rpc.request('held', [name], rank).catch(() => {})
      }
      for (const n of [1, 2, 3, 4]) ask(`news ${n}`, 'news')
      ask('favour', 'favour')
      ask('T3', 'money')
      ask('fees', 'money')
      await server.requests.when(({ params }) => params[0] === 'T3')
      const asked = (): unknown[] => server.requests.all.map(({ params }) => params[0])
      assert.deepEqual(asked(), ['news 1', 'news 2', 'news 3', 'T3'])
      server.send('{"id":0,"result":1}\n')
      await server.requests.when(({ params }) => params[0] === 'fees')
      server.send('{"id":1,"result":1}\n{"id":5,"result":1}\n{"id":6,"result":1}\n')
      await server.requests.when(({ params }) => params[0] === 'favour')
      assert.deepEqual(asked().slice(4), ['fees', 'news 4', 'favour'])
    })

    it("rejects with the server's words when it is refused", async () => {
      server.on('server.banner', () => {
        throw new Refusal('go\u001b[2J away')
      })
      await assert.rejects(rpc.request('server.banner', []), (error: unknown) => {
        assert.ok(error instanceof PaychanError)
        assert.equal(error.code, 'ERR_ELECTRUM_REFUSED')
        assert.deepEqual(error.facts, {
          method: 'server.banner',
          reason: 'go [2J away',
          serverCode: 1
        })
        return true
      })
    })

    it('rejects when no answer comes in time, and ignores one that comes too late', async () => {
      server.on('slow', () => SILENCE)
      const slow = rpc.request('slow', [])
      await server.requests.when(({ method }) => method === 'slow')
      clock.advance(29_999)
      clock.advance(1)
      await assert.rejects(slow, { code: 'ERR_CHAIN_UNAVAILABLE', message: /slow within 30 s/ })
      server.send('{"id":0,"result":"late"}\n')
      assert.equal(await rpc.request('server.ping', []), null)
    })

    it('rejects when the server closes mid-call, and from then on', async () => {
      server.on('slow', () => SILENCE)
      const slow = rpc.request('slow', [])
      await server.requests.when(({ method }) => method === 'slow')
      server.drop()
      await assert.rejects(slow, { code: 'ERR_CHAIN_UNAVAILABLE' })
      await assert.rejects(rpc.request('server.ping', []), { code: 'ERR_CHAIN_UNAVAILABLE' })
      assert.equal(rpc.isOpen, false)
      assert.equal(clock.pending, 0)
    })
  })

  describe('bad input', () => {
    for (const [what, text] of [
      ['garbage', 'HTTP/1.1 400 Bad Request\r\n\n'],
      ['bytes that are no text', new Uint8Array([0xff, 0xfe, 0x00, 0x0a])],
      ['an empty line', '\n'],
      ['a number', '1\n'],
      ['a batch', '[{"id":0,"result":1}]\n'],
      ['an id that is no number', '{"id":"0","result":1}\n'],
      ['an id that was never given out', '{"id":7,"result":1}\n'],
      ['a reply without an id', '{"result":1}\n'],
      ['an error to no request', '{"id":null,"error":{"code":-32700,"message":"parse error"}}\n'],
      ['a request of its own', '{"id":0,"method":"server.banner","params":[]}\n'],
      ['a ping that asks for too much', '{"id":0,"method":"server.ping","params":[10001]}\n'],
      ['brackets without end', '['.repeat(200_000) + '\n']
    ] as const) {
      it(`${what} ends the connection with an error`, async () => {
        server.on('slow', () => SILENCE)
        const slow = rpc.request('slow', [])
        await server.requests.when(({ method }) => method === 'slow')
        server.send(text)
        await assert.rejects(slow, { code: 'ERR_ELECTRUM_PROTOCOL' })
        assert.equal(codeOf(await rpc.closed), 'ERR_ELECTRUM_PROTOCOL')
      })
    }

    it('a line that never ends is cut off at the bound', async () => {
      rpc.close(new Error('another one is needed'))
      rpc = await connect({ maxLineBytes: 1000 })
      await server.connections.when(() => true, 1)
      server.send('{"id":0,"result":"' + 'x'.repeat(1000))
      assert.match((await rpc.closed).message, /more than 1000 bytes/)
    })

    it('an error of unknown form rejects that request only', async () => {
      server.on('odd', () => {
        server.send('{"id":0,"error":17}\n')
        return SILENCE
      })
      await assert.rejects(rpc.request('odd', []), { code: 'ERR_ELECTRUM_PROTOCOL' })
      assert.equal(await rpc.request('server.ping', []), null)
    })
  })

  describe('what the server was not asked for (COST-8)', () => {
    const MANY = 'x'.repeat(999_700)
    const note = `{"method":"x","params":["${MANY}"]}\n`

    /** Resolves once all that was sent before has been read. */
    const isRead = async (): Promise<void> => {
      assert.equal(await rpc.request('server.ping', []), null)
    }

    for (const [what, text] of [
      ['notifications', note],
      ['answers to what it has answered before', `{"id":0,"result":"${MANY}"}\n`]
    ] as const) {
      it(`ends the connection, for a while, when it is without an end: ${what}`, async () => {
        await isRead()
        for (let n = 0; n < 8; n++) server.send(text)
        await isRead()
        server.send(text)
        server.send(text)
        const reason = await rpc.closed
        assert.equal(codeOf(reason), 'ERR_CHAIN_UNAVAILABLE')
        assert.match(reason.message, /more than it was asked for/)
      })
    }

    it('may be as much again with time, and what was asked for counts nothing', async () => {
      for (let n = 0; n < 8; n++) server.send(note)
      await isRead()
      clock.advance(8_000)
      for (let n = 0; n < 7; n++) server.send(note)
      await isRead()
      server.on('long', () => MANY)
      for (let n = 0; n < 10; n++) await rpc.request('long', [])
      assert.equal(rpc.isOpen, true)
    })

    it('nor are there more answers to come late than are remembered: who leaves so many requests is left (COST-8)', async () => {
      rpc.close(new Error('another one'))
      rpc = await connect({ maxOutstanding: 2 * MOST_LATE })
      server.on('hang', () => SILENCE)
      const asked = Array.from({ length: MOST_LATE }, async () => await rpc.request('hang', []))
      for (const each of asked.slice(1)) each.catch(() => {})
      clock.advance(30_000)
      await assert.rejects(asked[0] ?? assert.fail(), { code: 'ERR_CHAIN_UNAVAILABLE' })
      assert.equal(rpc.isOpen, false)
      assert.match((await rpc.closed).message, /without an answer/)
    })

    it('is not what comes too late: a slow server is not at fault', async () => {
      server.on('slow', () => SILENCE)
      const slow = Array.from({ length: 12 }, () => rpc.request('slow', []))
      await server.requests.when(() => true, 11)
      clock.advance(30_000)
      for (const each of slow) await assert.rejects(each, { code: 'ERR_CHAIN_UNAVAILABLE' })
      for (const id of slow.keys()) server.send(`{"id":${id},"result":"${MANY}"}\n`)
      await isRead()
    })
  })

  it('hands on notifications', async () => {
    server.notify('blockchain.headers.subscribe', [1])
    assert.deepEqual(await notifications.when(() => true), ['blockchain.headers.subscribe', [1]])
  })

  describe('typed methods', () => {
    const id = txid('ab'.repeat(32))

    async function session(version?: FakeServer['version']): Promise<ElectrumSession> {
      const socket = createConnection(server.port, '127.0.0.1')
      await once(socket, 'connect')
      const session = new ElectrumSession(
        socket,
        { clock, requestTimeout: 30_000 },
        { onTip: () => {}, onStatus: () => {} }
      )
      if (version === undefined) return session
      server.version = version
      await session.handshake('test')
      return session
    }

    const cases: Array<
      [
        method: string,
        call: (session: ElectrumSession) => Promise<unknown>,
        answers: unknown[],
        version?: FakeServer['version']
      ]
    > = [
      [
        'server.version',
        (session) => session.handshake('test'),
        [null, ['x'], ['x', '1.3'], ['x', '1.8'], ['x', '1.40'], ['x', '2.4'], 'x']
      ],
      [
        'blockchain.headers.subscribe',
        (session) => session.subscribeHeaders(),
        [
          null,
          {},
          { height: -1, hex: '00'.repeat(80) },
          { height: 1.5, hex: '00'.repeat(80) },
          { height: 1, hex: '00'.repeat(79) },
          { height: 1, hex: 'zz'.repeat(80) }
        ]
      ],
      [
        'blockchain.block.headers',
        (session) => session.headers(0, 1),
        [
          null,
          { count: 2, hex: '00'.repeat(80) },
          { count: 1, hex: '0'.repeat(159) },
          { count: 1 },
          { count: 2, headers: ['00'.repeat(80)] },
          { count: 1, headers: ['00'.repeat(79)] },
          { count: 1, headers: '00'.repeat(80) }
        ]
      ],
      [
        'blockchain.scripthash.subscribe',
        (session) => session.subscribeScript('00'),
        [1, {}, 'x'.repeat(201)]
      ],
      [
        'blockchain.scripthash.get_history',
        (session) => session.history('00'),
        [
          null,
          [{ tx_hash: 'ab', height: 1 }],
          [{ tx_hash: id, height: '1' }],
          [{ tx_hash: id, height: -2 }],
          [{ tx_hash: id, height: 1e300 }]
        ]
      ],
      [
        'blockchain.scriptpubkey.subscribe',
        (session) => session.subscribeScript('00'),
        [1, {}, 'x'.repeat(201)],
        '1.7'
      ],
      [
        'blockchain.scriptpubkey.get_history',
        (session) => session.history('00'),
        [null, [{ tx_hash: 'ab', height: 1 }]],
        '1.7'
      ],
      [
        'blockchain.transaction.testmempoolaccept',
        (session) => session.refusalOf(new Uint8Array(1)),
        [
          null,
          [],
          [{ allowed: 'no' }],
          [{ allowed: false, reason: 1 }],
          [{ allowed: true }, { allowed: true }]
        ],
        '1.7'
      ],
      [
        'blockchain.transaction.get',
        (session) => session.transaction(id),
        [null, 'abc', { hex: 'ab' }]
      ],
      [
        'blockchain.transaction.get_merkle',
        (session) => session.merkleProof(id, 1),
        [
          null,
          { merkle: [], pos: -1 },
          { merkle: [1], pos: 0 },
          { merkle: new Array(33).fill(id), pos: 0 },
          { pos: 0 }
        ]
      ],
      [
        'blockchain.transaction.broadcast',
        (session) => session.broadcast(new Uint8Array(1)),
        [null, 'ok', ['x']]
      ],
      [
        'blockchain.transaction.broadcast_package',
        (session) => session.broadcastPackage([new Uint8Array(1)]),
        [null, 'ok', { success: 1 }, { success: false, errors: ['x'] }],
        '1.6'
      ],
      [
        'mempool.get_info',
        (session) => session.relayFees(),
        [null, {}, { mempoolminfee: '1', incrementalrelayfee: 1 }],
        '1.6'
      ],
      ['blockchain.estimatefee', (session) => session.estimateFee(1), [null, '0.1', {}]],
      ['blockchain.relayfee', (session) => session.relayFees(), [null, 'NaN']]
    ]
    for (const [method, call, answers, version] of cases) {
      it(`refuses answers of the wrong form to ${method}`, async () => {
        const electrum = await session(version)
        for (const answer of answers) {
          server.on(method, () => answer)
          await assert.rejects(
            call(electrum),
            { code: 'ERR_ELECTRUM_PROTOCOL' },
            JSON.stringify(answer)
          )
        }
        electrum.close(new Error('the test is over'))
      })
    }

    it('asks for nothing that the version which was agreed on does not have', async () => {
      const asked = async (version: FakeServer['version']): Promise<string[]> => {
        const electrum = await session(version)
        const before = server.requests.all.length
        await Promise.allSettled(
          cases
            .filter(([method]) => method !== 'server.version')
            .map(async ([, call]) => await call(electrum))
        )
        electrum.close(new Error('the test is over'))
        return server.requests.all.slice(before).map(({ method }) => method)
      }
      const [old, now, newest] = [await asked('1.4'), await asked('1.6'), await asked('1.7')]
      assert.deepEqual(
        [
          old.includes('blockchain.relayfee'),
          old.includes('mempool.get_info'),
          old.includes('blockchain.transaction.broadcast_package')
        ],
        [true, false, false]
      )
      assert.deepEqual(
        [
          now.includes('blockchain.relayfee'),
          now.includes('mempool.get_info'),
          now.includes('blockchain.transaction.broadcast_package')
        ],
        [false, true, true]
      )
      const scripts = (methods: readonly string[]): string[] =>
        [
          ...new Set(
            methods.filter(
              (method) => method.startsWith('blockchain.script') || method.includes('test')
            )
          )
        ].sort()
      assert.deepEqual(scripts(now), [
        'blockchain.scripthash.get_history',
        'blockchain.scripthash.subscribe'
      ])
      assert.deepEqual(scripts(newest), [
        'blockchain.scriptpubkey.get_history',
        'blockchain.scriptpubkey.subscribe',
        'blockchain.transaction.testmempoolaccept'
      ])
    })

    it('refuses notifications of the wrong form', async () => {
      const electrum = await session()
      await electrum.ping()
      server.notify('blockchain.headers.subscribe', [{ height: 1 }])
      assert.match((await electrum.closed).message, /wrong form/)
    })

    it('ignores notifications it did not ask for', async () => {
      const electrum = await session()
      await electrum.ping()
      server.notify('server.peers.subscribe', [{}])
      await electrum.ping()
      electrum.close(new Error('the test is over'))
    })
  })
})

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('line splitter', () => {
  it('finds the same lines however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', ''))),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (lines, cuts) => {
          const splitter = new LineSplitter()
          const all = bytes(lines.map((line) => line + '\n').join(''))
          const found: string[] = []
          for (let at = 0, turn = 0; at < all.length; turn++) {
            const size = cuts[turn % cuts.length] ?? 1
            found.push(...splitter.push(all.slice(at, at + size)))
            at += size
          }
          assert.deepEqual(found, lines)
        }
      )
    )
  })

  it('refuses a line past the bound, whether or not it has ended', () => {
    assert.deepEqual(new LineSplitter(5).push(bytes('12345\n12345\n')), ['12345', '12345'])
    assert.throws(() => new LineSplitter(5).push(bytes('123456')), {
      code: 'ERR_ELECTRUM_PROTOCOL'
    })
    const splitter = new LineSplitter(5)
    splitter.push(bytes('123'))
    assert.throws(() => splitter.push(bytes('456\n')), { code: 'ERR_ELECTRUM_PROTOCOL' })
  })
})
