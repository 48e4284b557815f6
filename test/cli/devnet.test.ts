import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { parseTrace, startDevnet, type Devnet } from '../../src/devnet/index.js'
import { testWorld } from './world.js'

const ADDRESS = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'

describe('paychan devnet', () => {
  describe('mine and fund', () => {
    let devnet: Devnet
    before(async () => {
      devnet = await startDevnet({ seed: 'cli' })
    })
    after(async () => {
      await devnet.stop()
    })

    it('reach a running devnet', async () => {
      const before = devnet.height
      const fund = testWorld()
      assert.equal(
        await fund.run('devnet', 'fund', ADDRESS, '0.001btc', '--electrum', devnet.url),
        0
      )
      assert.match(fund.out(), /^Sent 100,000 sat to bcrt1q.*\nin transaction [0-9a-f]{64}\./)
      const mine = testWorld()
      assert.equal(await mine.run('devnet', 'mine', '2', '--electrum', devnet.url), 0)
      assert.equal(devnet.height, before + 2)
      assert.equal(mine.out(), `Mined 2 blocks: the chain is at block ${before + 2}.\n`)
    })

    it('replace blocks, with what becomes of their transactions', async () => {
      for (const [options, fate] of [
        [[], 'waits'],
        [['--mine'], 'confirmed'],
        [['--drop'], 'gone']
      ] as const) {
        const txid = await devnet.fund(ADDRESS, 20_000n)
        await devnet.mine(2)
        const { height } = devnet
        const world = testWorld()
        assert.equal(
          await world.run('devnet', 'reorg', '2', ...options, '--electrum', devnet.url),
          0
        )
        assert.equal(
          world.out(),
          `Replaced 2 blocks by 3: the chain is at block ${height + 1}, ${devnet.tip.hash}.\n`
        )
        const found = await devnet.transaction(txid)
        assert.equal(
          found === undefined ? 'gone' : found.block === undefined ? 'waits' : 'confirmed',
          fate,
          options.join(' ')
        )
      }
      const tooDeep = testWorld()
      assert.equal(await tooDeep.run('devnet', 'reorg', '5000', '--electrum', devnet.url), 1)
      assert.match(tooDeep.err(), /takes back 1 to 99 blocks.*ERR_DEVNET_REFUSED/)
    })

    it('print one object with --json', async () => {
      const fund = testWorld()
      await fund.run('devnet', 'fund', ADDRESS, '1000', '--electrum', devnet.url, '--json')
      const { txid, ...rest } = JSON.parse(fund.out()) as Record<string, unknown>
      assert.deepEqual(rest, { address: ADDRESS, amount: 1_000 })
      assert.ok(await devnet.transaction(String(txid)))
      const mine = testWorld()
      await mine.run('devnet', 'mine', '--electrum', devnet.url, '--json')
      assert.deepEqual(JSON.parse(mine.out()), {
        mined: 1,
        height: devnet.height,
        hash: devnet.tip.hash
      })
    })

    it('pass a refusal on', async () => {
      const world = testWorld()
      assert.equal(
        await world.run('devnet', 'fund', 'bc1qnonsense', '1000', '--electrum', devnet.url),
        1
      )
      assert.match(world.err(), /The devnet refused: .*ERR_DEVNET_REFUSED/)
    })

    it('refuse wrong arguments before they ask', async () => {
      for (const argv of [
        ['reorg'],
        ['reorg', '0'],
        ['reorg', '1', '--mine', '--drop'],
        ['mine', '0'],
        ['mine', 'x'],
        ['fund', ADDRESS, '0'],
        ['fund', ADDRESS],
        ['mine', '--electrum', 'localhost:1']
      ]) {
        assert.equal(await testWorld().run('devnet', ...argv), 2, argv.join(' '))
      }
    })
  })

  describe('with another server, or none', () => {
    let server: Server
    let answer: (socket: Socket, line: string) => void
    let url: string
    beforeEach(async () => {
      server = createServer((socket) => {
        socket.on('error', () => {})
        socket.setEncoding('utf8').on('data', (text: string) => {
          text
            .split('\n')
            .filter((line) => line !== '')
            .forEach((line) => {
              answer(socket, line)
            })
        })
      })
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
    })
    afterEach(() => {
      server.close()
    })

    it('says that an Electrum server is no devnet', async () => {
      answer = (socket, line) => {
        socket.write(
          `${JSON.stringify({ id: (JSON.parse(line) as { id: number }).id, error: { code: -32601, message: 'unknown method' } })}\n`
        )
      }
      const world = testWorld()
      assert.equal(await world.run('devnet', 'mine', '--electrum', url), 5)
      assert.match(world.err(), /no devnet.*ERR_NO_DEVNET/)
    })

    for (const [what, reply] of [
      ['garbage', 'hello\n'],
      ['another shape', '[1]\n'],
      ['silence and an end', '']
    ] as const) {
      it(`survives ${what}`, async () => {
        answer = (socket) => {
          socket.end(reply)
        }
        const world = testWorld()
        assert.equal(await world.run('devnet', 'mine', '--electrum', url), 5)
        assert.match(world.err(), /No devnet answers at .*ERR_CHAIN_UNAVAILABLE/)
      })
    }

    it('says that nobody answers', async () => {
      server.close()
      await once(server, 'close')
      const world = testWorld()
      assert.equal(await world.run('devnet', 'mine', '--electrum', url), 5)
      assert.match(world.err(), /paychan devnet/)
    })
  })

  it('print the fee rates of a congested month, which it takes back as a file; and refuse a file that there is not', async () => {
    const world = testWorld()
    assert.equal(await world.run('devnet', 'trace'), 0)
    assert.equal(parseTrace(world.out()).length, 720)
    const other = testWorld()
    assert.equal(await other.run('devnet', '--port', '0', '--trace', 'no such file'), 2)
    assert.match(other.err(), /ERR_NO_TRACE/)
  })

  it('does not start on a bitcoind that is not there, or by an address that is none', async () => {
    for (const [url, code] of [
      ['http://me:hunter2@127.0.0.1:1', /Is it running.*ERR_BITCOIND_UNREACHABLE/s],
      ['127.0.0.1:18443', /http:\/\/USER:PASSWORD@HOST:PORT.*ERR_CONFIG_INVALID/s],
      ['http://127.0.0.1:18443', /USER:PASSWORD/]
    ] as const) {
      const world = testWorld()
      assert.notEqual(await world.run('devnet', '--port', '0', '--bitcoind', url), 0)
      assert.match(world.err(), code)
      assert.doesNotMatch(world.err(), /hunter2/)
    }
  })

  it('runs in the foreground until it is interrupted', async () => {
    const world = testWorld()
    const done = world.run('devnet', '--port', '0', '--json')
    await world.printed('\n')
    const { electrum, ...started } = JSON.parse(world.out()) as { electrum: string }
    assert.deepEqual(started, { event: 'started', height: 120, software: 'embedded' })
    assert.equal(await testWorld().run('devnet', 'mine', '1', '--electrum', electrum), 0)
    await world.printed('"block"')
    world.interrupt()
    assert.equal(await done, 0)
    const events = world
      .out()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string })
    assert.deepEqual(
      events.map(({ event }) => event),
      ['started', 'block', 'stopped']
    )
  })
})

describe('paychan devnet --nodes', () => {
  it('refuses names that cannot be those of peers, and --data alone', async () => {
    for (const argv of [
      ['--nodes', 'Alice'],
      ['--nodes', 'alice,alice'],
      ['--nodes', 'alice,,bob'],
      ['--nodes', 'a,b,c,d,e,f,g,h,i,j,k'],
      ['--data', 'somewhere']
    ]) {
      assert.equal(await testWorld().run('devnet', '--port', '0', ...argv), 2, argv.join(' '))
    }
  })

  it('starts them with coins and a channel, which pays; nothing stays behind', async () => {
    const { createNode } = await import('../../src/node/create-node.js')
    const world = testWorld({
      createNode: async (config, passphrase, onEvent) =>
        await createNode({ ...config, passphrase, onEvent })
    })
    const ends = world.run('devnet', '--port', '0', '--nodes', 'alice,bob', '--json')
    await world.printed('"event":"ready"')
    const nodes = world
      .out()
      .split('\n')
      .filter((line) => line.includes('"event":"node"'))
      .map((line) => JSON.parse(line) as { name: string; dataDir: string; peerId: string })
    assert.deepEqual(
      nodes.map(({ name }) => name),
      ['alice', 'bob']
    )
    const [alice, bob] = nodes
    const pay = testWorld()
    assert.equal(await pay.run('pay', 'bob', '1000', '--json', '--data', alice?.dataDir ?? ''), 0)
    assert.equal((JSON.parse(pay.out()) as { peerId: string }).peerId, bob?.peerId)
    world.interrupt()
    assert.equal(await ends, 0)
    await assert.rejects(access(alice?.dataDir ?? ''))
  })
})
