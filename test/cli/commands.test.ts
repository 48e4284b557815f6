import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { createOutput } from '../../src/cli/output.js'
import { createProgram } from '../../src/cli/program.js'
import { serveApi, type ApiServer } from '../../src/daemon/server.js'
import { adviceOf } from '../../src/types/error-advice.js'
import { ERROR_CODES, type ErrorCode } from '../../src/types/error-codes.js'
import { PaychanError } from '../../src/types/errors.js'
import { CHANNEL, channel, FakeNode, FUNDING, payment, PEER } from '../daemon/fake-node.js'
import { testWorld, type TestWorld } from './world.js'

async function wholeProgram(): Promise<Command> {
  const { io, ...outside } = testWorld()
  return await createProgram({ ...outside, io, output: createOutput(io, false) })
}

describe('the advice for an error', () => {
  it('names commands and options that there are', async () => {
    const commands = new Set<string>()
    const options = new Set<string>(['--help'])
    const walk = (command: Command, path: string): void => {
      commands.add(path)
      for (const { long } of command.options) if (typeof long === 'string') options.add(long)
      for (const each of command.commands) walk(each, `${path} ${each.name()}`)
    }
    walk(await wholeProgram(), 'paychan')
    const codes = Object.keys(ERROR_CODES) as ErrorCode[]
    const advice = codes.map(adviceOf).join(' ')
    const named = [...advice.matchAll(/`(paychan(?: [a-z]+)+)/g)].map(([, words]) => words ?? '')
    assert.ok(named.length > 20)
    assert.deepEqual(
      named.filter((words) => !commands.has(words)),
      []
    )
    assert.deepEqual(
      (advice.match(/--[a-z-]+/g) ?? []).filter((option) => !options.has(option)),
      []
    )
  })
})

describe('the help of every command', () => {
  it("is wrapped once: by the terminal's width", async () => {
    const descriptions = (command: Command): string[] => [
      command.description(),
      ...command.commands.flatMap(descriptions)
    ]
    for (const text of descriptions(await wholeProgram())) {
      assert.doesNotMatch(text, /[^\n]\n[^\n]/)
    }
  })
})

describe('commands against a running node', () => {
  let dir: string
  let node: FakeNode
  let server: ApiServer
  let world: TestWorld

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    node = new FakeNode()
    server = await serveApi(node, join(dir, 'api.sock'))
    world = testWorld({ env: { PAYCHAN_DATA: dir } })
  })

  afterEach(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  /** Runs with --json and reads the one object that must be on stdout. */
  async function json(...argv: string[]): Promise<Record<string, unknown>> {
    const fresh = testWorld({ env: { PAYCHAN_DATA: dir } })
    const code = await fresh.run(...argv, '--json')
    assert.equal(fresh.err(), '')
    assert.equal(fresh.out().split('\n').length, 2, 'one line')
    const result = JSON.parse(fresh.out()) as Record<string, unknown>
    assert.equal('error' in result, code !== 0)
    return result
  }

  describe('--json', () => {
    it('prints one object for every command, amounts as numbers, what is unknown as null', async () => {
      assert.equal((await json('info'))['peerId'], PEER)
      assert.deepEqual(await json('address'), {
        address: 'bcrt1qaddress',
        uri: 'bitcoin:bcrt1qaddress'
      })
      assert.deepEqual(await json('balance'), {
        confirmed: 1_000_000,
        pending: 0,
        reserved: 70_000,
        locked: 5_000,
        inChannels: 250_000,
        unwatched: 0,
        unswept: 330,
        total: 1_250_330
      })
      assert.deepEqual(await json('connect', '/ip4/127.0.0.1/tcp/1'), {
        peerId: PEER,
        connected: true,
        multiaddrs: [],
        paychan: null
      })
      assert.equal((await json('peers'))['peers'] instanceof Array, true)
      assert.equal((await json('open', PEER, '1000000'))['capacity'], 1_000_000)
      const paid = await json('pay', PEER, '0.00001btc')
      assert.deepEqual([paid['amount'], paid['left']], [1_000, 749_000])
      const { channels } = (await json('channels')) as { channels: Array<Record<string, unknown>> }
      assert.equal(channels[0]?.['spend'], null)
      const { payments } = (await json('payments')) as { payments: Array<Record<string, unknown>> }
      assert.equal(payments[0]?.['amount'], 1_000)
      assert.deepEqual(await json('close', CHANNEL), {
        channel: CHANNEL,
        kind: 'close',
        txid: FUNDING
      })
      assert.deepEqual(await json('stop'), { stopped: true })
    })

    it('may stand before the command', async () => {
      assert.equal(await world.run('--json', '--data', dir, 'address'), 0)
      assert.deepEqual(JSON.parse(world.out()), {
        address: 'bcrt1qaddress',
        uri: 'bitcoin:bcrt1qaddress'
      })
    })

    it('has the error in place of the result', async () => {
      node.answers.pay = async () => {
        throw new PaychanError(
          'ERR_INSUFFICIENT_BALANCE',
          'Asked to pay 5 sat, but 4 sat are left.',
          { asked: 5n, left: 4n }
        )
      }
      assert.deepEqual(await json('pay', PEER, '5'), {
        error: {
          code: 'ERR_INSUFFICIENT_BALANCE',
          message: 'Asked to pay 5 sat, but 4 sat are left.',
          facts: { asked: '5', left: '4' }
        }
      })
    })
  })

  describe('lists', () => {
    it('leave out channels that are closed and openings that came to nothing, and say so; --all shows them', async () => {
      node.answers.channels = async () => [
        channel,
        { ...channel, status: 'abandoned', reason: 'the peer went away' },
        { ...channel, status: 'closed' }
      ]
      await world.run('channels')
      assert.equal(world.out().trimEnd().split('\n').length, 2)
      assert.equal(world.err(), '2 channels that are closed are not shown; see --all.\n')
      const [some, all] = [await json('channels'), await json('channels', '--all')]
      assert.deepEqual(
        [
          (some['channels'] as unknown[]).length,
          some['hidden'],
          (all['channels'] as unknown[]).length,
          all['hidden']
        ],
        [1, 2, 3, 0]
      )
    })

    it('channel shows all of one, by the first digits of its id', async () => {
      assert.equal(await world.run('channel', '1a2b3c4d'), 0)
      assert.match(world.out(), new RegExp(`^channel +${CHANNEL}\npeer +${PEER}\n`))
      assert.equal((await json('channel', CHANNEL))['id'], CHANNEL)
      assert.deepEqual(
        ((await json('channel', 'ffffffff'))['error'] as Record<string, unknown>)['code'],
        'ERR_NO_CHANNEL'
      )
    })

    it('take the width of the terminal', async () => {
      for (const [columns, sees] of [
        [80, false],
        [200, true]
      ] as const) {
        const seen = testWorld({ env: { PAYCHAN_DATA: dir, NO_COLOR: '1' }, isTTY: true, columns })
        await seen.run('channels')
        assert.equal(seen.out().includes('REFUND AT'), sees)
      }
    })

    it('say when there are more payments than they show', async () => {
      node.answers.payments = async (filter) =>
        Array.from({ length: filter?.limit ?? 0 }, () => payment)
      await world.run('payments')
      assert.equal(world.out().trimEnd().split('\n').length, 21)
      assert.equal(world.err(), 'These are the newest 20; show more with --limit N.\n')
      const some = await json('payments', '--limit', '3')
      assert.deepEqual([(some['payments'] as unknown[]).length, some['more']], [3, true])
    })
  })

  describe('arguments', () => {
    it('a payment that was made is told, also when the node then does not say what is left', async () => {
      node.answers.channels = async () => {
        throw new PaychanError('ERR_NODE_STOPPED', 'It has stopped.')
      }
      assert.equal(await world.run('pay', PEER, '1000'), 0)
      assert.match(world.out(), /^Paid 1,000 sat to …\S+ on channel 1a2b3c4d\.\n$/)
    })

    it('explain an amount with a sign', async () => {
      assert.equal(await world.run('pay', PEER, '-1sat'), 2)
      assert.equal(
        world.err(),
        "error: An amount has no sign, and '-1sat' has one. Write 1000, 1000sat or 0.00001btc. (ERR_INVALID_AMOUNT)\n"
      )
    })

    it('reach the node', async () => {
      await world.run('open', PEER, '0.01btc', '--blocks', '144', '--no-wait')
      await world.run('pay', '1a2b3c4d', '1000sat', '--memo', 'for the coffee')
      await world.run('pay', PEER, '5', '--id', 'invoice 17')
      await world.run('payments', '--channel', '1a2b3c4d', '--limit', '7')
      await world.run('payments')
      await world.run('close', '1a2b3c4d', '--force')
      await world.run('close', '1a2b3c4d')
      await world.run('open', PEER, '1000', '--renew')
      await world.run('renew', '1a2b3c4d', '--no-wait')
      await world.run('topup', '1a2b3c4d', '0.001btc', '--blocks', '300')
      assert.equal(world.err(), '')
      // After `pay` it asks for the channels, to say what is left; during `open` for the network.
      assert.deepEqual(
        node.calls
          .filter(({ verb }) => verb !== 'channels' && verb !== 'info')
          .map(({ verb, args }) => [verb, ...args]),
        [
          ['open', { peer: PEER, amount: 1_000_000n, blocks: 144, wait: 'broadcast' }],
          ['pay', { to: '1a2b3c4d', amount: 1_000n, memo: 'for the coffee' }],
          ['pay', { to: PEER, amount: 5n, id: 'invoice 17' }],
          ['payments', { limit: 8, channel: '1a2b3c4d' }],
          ['payments', { limit: 21 }],
          ['close', '1a2b3c4d', { force: true }],
          ['close', '1a2b3c4d', {}],
          ['open', { peer: PEER, amount: 1_000n, renew: true, wait: 'ready' }],
          ['renew', '1a2b3c4d', { wait: 'broadcast' }],
          ['renew', '1a2b3c4d', { amount: 100_000n, blocks: 300, wait: 'ready' }]
        ]
      )
    })

    for (const argv of [
      ['pay', PEER, '0'],
      ['pay', PEER, '-5'],
      ['pay', PEER, '0.5'],
      ['pay', PEER, '1e3'],
      ['pay', PEER, '1,000'],
      ['pay', PEER],
      ['pay', PEER, '1', '2'],
      ['open', PEER, 'all'],
      ['open', PEER, '1', '--blocks', '0'],
      ['open', PEER, '1', '--blocks', '1.5'],
      ['payments', '--limit', 'x'],
      ['close'],
      ['renew'],
      ['topup', '1a2b3c4d'],
      ['topup', '1a2b3c4d', '0'],
      ['renew', '1a2b3c4d', '--blocks', '0'],
      ['settle'],
      ['settle', '1a2b3c4d', '--all'],
      ['balance', '--verbose'],
      ['nonsense'],
      ['channels', 'x']
    ]) {
      it(`refuse '${argv.join(' ').replace(PEER, 'PEER')}' before the node hears of it`, async () => {
        assert.equal(await world.run(...argv), 2)
        assert.equal(world.out(), '')
        assert.match(world.err(), /^error: .*\((ERR_USAGE|ERR_INVALID_AMOUNT)\)\n$/)
        assert.deepEqual(node.calls, [])
      })
    }
  })

  it('settle one channel alone, or all of them together', async () => {
    await world.run('settle', '1a2b3c4d')
    await world.run('settle', '--all')
    assert.deepEqual(
      node.calls.map(({ verb, args }) => [verb, ...args]),
      [['close', '1a2b3c4d', { force: true }], ['settleAll']]
    )
    node.unsettled = [
      { channel: channel.id, code: 'ERR_CLOSE_TIMEOUT', reason: 'No server has taken it yet.' }
    ]
    assert.equal(await world.run('settle', '--all'), 1)
    assert.match(
      world.out(),
      /1 channel is being settled in .*\nChannel 1a2b3c4d is not: No server has taken it yet. \(ERR_CLOSE_TIMEOUT\)\n/
    )
    assert.match(world.out(), /1 channel is being settled in [0-9a-f]{64}\./)
  })

  it('name the help of the command that was used wrongly', async () => {
    for (const [argv, help] of [
      [['pay', PEER], 'paychan pay'],
      [['devnet', 'mine', '--nonsense'], 'paychan devnet mine'],
      [['nonsense'], 'paychan']
    ] as const) {
      assert.equal(await world.run(...argv), 2)
      assert.match(world.err(), new RegExp(`See ${help} --help\\. \\(ERR_USAGE\\)\n$`))
    }
  })

  describe('exit codes', () => {
    for (const [code, exit] of [
      ['ERR_INSUFFICIENT_BALANCE', 1],
      ['ERR_INVALID_PEER', 2],
      ['ERR_INVALID_MEMO', 2],
      ['ERR_MEMO_TOO_LONG', 2],
      ['ERR_INVALID_PAYMENT_ID', 2],
      ['ERR_INTERNAL', 1],
      ['ERR_PEER_UNREACHABLE', 4],
      ['ERR_PEER_UNKNOWN', 4],
      ['ERR_NO_PAYCHAN', 4],
      ['ERR_CHAIN_UNAVAILABLE', 5]
    ] as const) {
      it(`${exit} for ${code}`, async () => {
        node.answers.pay = async () => {
          throw new PaychanError(code, 'It cannot be.')
        }
        assert.equal(await world.run('pay', PEER, '1'), exit)
        assert.equal(world.err(), `error: It cannot be. (${code})\n`)
      })
    }

    it('3 when no node runs', async () => {
      await server.close()
      assert.equal(await world.run('balance'), 3)
      assert.match(world.err(), /No node is running .*paychan start/)
    })

    it('3 for open too, which follows events', async () => {
      await server.close()
      assert.equal(await world.run('open', PEER, '1'), 3)
    })
  })

  describe('text', () => {
    it('is plain when nobody looks, and coloured on a terminal unless NO_COLOR is set', async () => {
      const shown = async (isTTY: boolean, env: Record<string, string>): Promise<boolean> => {
        const seen = testWorld({ isTTY, env: { PAYCHAN_DATA: dir, ...env } })
        await seen.run('channels')
        assert.match(seen.out(), /1a2b3c4d/)
        return seen.out().includes('\u001b[')
      }
      assert.equal(await shown(false, {}), false)
      assert.equal(await shown(true, {}), true)
      assert.equal(await shown(true, { NO_COLOR: '1' }), false)
    })

    it('of an error from afar cannot drive the terminal', async () => {
      node.answers.open = async () => {
        throw new PaychanError('ERR_OPEN_REFUSED', 'The peer says: \u001b[2J')
      }
      await world.run('open', PEER, '1')
      assert.ok(!world.err().includes('\u001b'))
    })
  })

  describe('open', () => {
    it('shows on stderr how far it is', async () => {
      node.answers.open = async () => {
        node.emit({
          type: 'channel',
          channel: { ...channel, status: 'opening' },
          news: {
            kind: 'offer-sent',
            capacity: channel.capacity,
            refundHeight: channel.refundHeight
          },
          step: 1
        })
        node.emit({
          type: 'channel',
          channel: { ...channel, status: 'opening' },
          news: { kind: 'refund-secured', payer: 'wallet' },
          step: 5
        })
        node.emit({
          type: 'channel',
          channel: { ...channel, status: 'confirming', confirmations: 0, minDepth: 2 },
          news: { kind: 'funding-sent', by: 'wallet' },
          txid: FUNDING
        })
        // The answer comes over another connection: wait until the events have been read.
        await seen.printed('blocks')
        return channel
      }
      let seen = world
      assert.equal(await seen.run('open', PEER, '1000000'), 0)
      assert.equal(
        seen.err(),
        '1a2b3c4d  asking the peer for the channel\n1a2b3c4d  refund secured\n1a2b3c4d  funding sent; waiting for 2 blocks\n'
      )
      assert.match(seen.out(), /^Channel 1a2b3c4d with /)
      seen = testWorld({ env: { PAYCHAN_DATA: dir } })
      await seen.run('open', PEER, '1000000', '--verbose')
      assert.match(
        seen.err(),
        /asked for a channel of .*\n.*signature of T2 is right, and on disk\n.*T1 \w+ is handed over and broadcast; waiting for 2 blocks\n$/
      )
    })

    it('leaves nothing of it on a narrow terminal, also before an error', async () => {
      const seen = testWorld({
        env: { PAYCHAN_DATA: dir, NO_COLOR: '1' },
        isTTY: true,
        columns: 40
      })
      node.answers.open = async () => {
        node.emit({
          type: 'channel',
          channel: { ...channel, status: 'confirming', confirmations: 0, minDepth: 200 },
          news: {
            kind: 'given-up',
            code: 'ERR_CANCELLED',
            reason: 'T1 was not signed up to height 130, the last for payments'
          }
        })
        await seen.printed('not signed')
        throw new PaychanError('ERR_OPEN_REFUSED', 'It cannot be.')
      }
      assert.equal(await seen.run('open', PEER, '1000000'), 1)
      // As a terminal shows it: what returns to the left edge is written over.
      const lines = seen
        .err()
        .split('\n')
        .map((line) => line.split('\r'))
      assert.ok(
        lines.flat().every((text) => text.length < 40 || text.startsWith('error:')),
        seen.err()
      )
      assert.equal(lines[0]?.at(-1), 'error: It cannot be. (ERR_OPEN_REFUSED)')
      assert.match(lines[0].at(-2) ?? '', /^ {39}$/)
    })
  })
})
