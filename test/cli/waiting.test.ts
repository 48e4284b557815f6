/** Whoever waits is told what for, and can give up an opening in time. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOpened, isRenewal, OpeningProgress } from '../../src/cli/opening-progress.js'
import { DEFAULT_ELECTRUM } from '../../src/daemon/config-schema.js'
import { type ApiServer, serveApi } from '../../src/daemon/server.js'
import type { ChannelInfo, News, NodeEvent } from '../../src/node/api.js'
import { channelId } from '../../src/types/bytes.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight, satoshi } from '../../src/types/units.js'
import { channel, FakeNode, FUNDING, paid, payment, PEER } from '../daemon/fake-node.js'
import { testWorld, type TestWorld } from './world.js'

describe('a command that takes long', () => {
  let dir: string
  let node: FakeNode
  let server: ApiServer
  let world: TestWorld
  /** Resolves when the node has been asked. */
  let asked: Promise<void>
  let wasAsked = (): void => {}

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    node = new FakeNode()
    server = await serveApi(node, join(dir, 'api.sock'))
    world = testWorld({ env: { PAYCHAN_DATA: dir } })
    asked = new Promise((resolve) => {
      wasAsked = resolve
    })
  })

  afterEach(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  /** An opening that ends only when it is cancelled, with this error. */
  function openUntilCancelled(error: PaychanError): void {
    node.answers.open = async () => {
      wasAsked()
      return await new Promise((_resolve, reject) => {
        node.signal?.addEventListener('abort', () => {
          reject(error)
        })
      })
    }
  }

  it('says whom it waits for: pay, close, connect, and any other', async () => {
    for (const [verb, args, text] of [
      ['pay', ['pay', PEER, '1000'], 'waiting for the peer to acknowledge the payment ...'],
      ['close', ['close', '1a2b3c4d'], 'waiting for the peer to agree to the close ...'],
      [
        'connect',
        ['connect', '/ip4/127.0.0.1/tcp/1'],
        'waiting for /ip4/127.0.0.1/tcp/1 to answer ...'
      ],
      ['balance', ['balance'], 'waiting for the node ...']
    ] as const) {
      const fresh = testWorld({ env: { PAYCHAN_DATA: dir } })
      let go = (): void => {}
      const gate = new Promise<void>((resolve) => {
        go = resolve
      })
      const called = new Promise<void>((resolve) => {
        const fallback = node.usual[verb] as (...given: unknown[]) => Promise<never>
        Object.assign(node.answers, {
          [verb]: async (...given: unknown[]) => {
            resolve()
            await gate
            Reflect.deleteProperty(node.answers, verb)
            return await fallback(...given)
          }
        })
      })
      const running = fresh.run(...args)
      await called
      assert.equal(fresh.err(), '')
      fresh.pass()
      assert.equal(fresh.err(), `${text}\n`)
      go()
      assert.equal(await running, 0)
    }
  })

  it('that is interrupted says what may still happen, and where to look: pay, close, settle, send, bumpfee, recover', async () => {
    for (const [verb, args, says] of [
      [
        'pay',
        ['pay', PEER, '1000'],
        /may still be made: look at `paychan payments` before you pay again/
      ],
      [
        'pay',
        ['pay', PEER, '1000', '--id', 'rent'],
        /may still be made: .*the same --id, which does not pay twice/
      ],
      [
        'close',
        ['close', '1a2b3c4d'],
        /may still be closed, and takes no more payments: `paychan channels`/
      ],
      ['close', ['settle', '1a2b3c4d'], /may still go out: look at `paychan channels`/],
      ['settleAll', ['settle', '--all'], /may still go out: look at `paychan channels`/],
      [
        'send',
        ['send', 'bcrt1q', '1000'],
        /may still be sent: look at `paychan transactions` before/
      ],
      [
        'bumpFee',
        ['bumpfee', 'ab'.repeat(32)],
        /may still be raised: look at `paychan transactions`/
      ],
      ['recover', ['recover', PEER], /may still come back: `paychan channels`/],
      [
        'fundingPsbt',
        ['psbt', '1a2b3c4d', 'A'.repeat(80)],
        /may still be taken: look at `paychan channels`/
      ]
    ] as const) {
      const fresh = testWorld({ env: { PAYCHAN_DATA: dir } })
      const called = new Promise<void>((resolve) => {
        Object.assign(node.answers, {
          [verb]: async () => {
            resolve()
            await new Promise<never>(() => {})
          }
        })
      })
      const running = fresh.run(...args)
      await called
      fresh.interrupt()
      assert.equal(await running, 1, args.join(' '))
      assert.match(fresh.err(), says)
      assert.match(
        fresh.err(),
        /SIGINT: this command ends, and the node goes on\. .*\(ERR_INTERRUPTED\)\n$/
      )
    }
  })

  it('says nothing with --json, and nothing once it is done', async () => {
    assert.equal(await world.run('pay', PEER, '1000', '--json'), 0)
    world.pass()
    assert.equal(world.err(), '')
    assert.equal((JSON.parse(world.out()) as { amount: number }).amount, Number(paid.amount))
  })

  it('open: shows the steps, the depth with every block, and who is waited for', async () => {
    let done = (): void => {}
    node.answers.open = async () => {
      wasAsked()
      await new Promise<void>((resolve) => {
        done = resolve
      })
      return channel
    }
    const running = world.run('open', PEER, '1000000')
    await asked
    world.pass()
    assert.equal(world.err(), 'waiting for the peer to answer ...\n')
    const confirming = { ...channel, status: 'confirming' as const, minDepth: 3, confirmations: 1 }
    node.emit({
      type: 'channel',
      channel: confirming,
      news: { kind: 'funding-mined', height: blockHeight(130) }
    })
    await world.printed('the funding is in block 130; waiting for 2 blocks')
    node.answers.channels = async () => [{ ...confirming, confirmations: 2 }]
    node.emit({ type: 'chain', status: 'synced', height: blockHeight(131) })
    await world.printed('a block has come; waiting for 1 block')
    world.pass()
    assert.match(world.err(), /waiting for 1 block \.\.\.\n$/)
    done()
    assert.equal(await running, 0)
  })

  it('open: Ctrl-C cancels it', async () => {
    openUntilCancelled(
      new PaychanError(
        'ERR_CANCELLED',
        'The opening was cancelled by its user; nothing was funded.'
      )
    )
    const running = world.run('open', PEER, '1000000')
    await asked
    world.interrupt()
    assert.equal(await running, 1)
    assert.match(
      world.err(),
      /cancelling the opening .*\nerror: The opening was cancelled by its user; nothing was funded\. \(ERR_CANCELLED\)\n$/
    )
  })

  it('open: Ctrl-C after the funding has left says that it is too late, and what to do', async () => {
    openUntilCancelled(
      new PaychanError(
        'ERR_CANCEL_TOO_LATE',
        'Too late to cancel: the funding transaction ab has left.',
        { channel: channel.id, txid: 'ab' }
      )
    )
    const running = world.run('open', PEER, '1000000', '--json')
    await asked
    world.interrupt()
    assert.equal(await running, 1)
    assert.deepEqual(JSON.parse(world.out()), {
      error: {
        code: 'ERR_CANCEL_TOO_LATE',
        message: 'Too late to cancel: the funding transaction ab has left.',
        facts: { channel: channel.id, txid: 'ab' }
      }
    })
  })
})

/** News of an opening; a text is what its peer says. */
function event(news: News | string, fields: Partial<ChannelInfo> = {}): NodeEvent {
  return {
    type: 'channel',
    channel: { ...channel, status: 'opening', ...fields },
    news:
      typeof news === 'string' ? { kind: 'given-up', code: 'ERR_CANCELLED', reason: news } : news,
    txid: FUNDING
  }
}

describe('the progress of an opening', () => {
  function follow(peer: string, ...events: NodeEvent[]): string[] {
    const lines: string[] = []
    const progress = new OpeningProgress(isOpened({ peer, amount: channel.capacity }), (line) =>
      lines.push(line)
    )
    events.forEach(progress.onEvent)
    return lines
  }

  it('is a line for each new step', () => {
    assert.deepEqual(
      follow(PEER, event('one'), event('one'), event('two'), event('ready', { status: 'open' })),
      ['1a2b3c4d  one', '1a2b3c4d  two', '1a2b3c4d  ready']
    )
  })

  it('counts the blocks that are still to come', () => {
    const at = (confirmations: number): string[] =>
      follow(
        PEER,
        event(
          { kind: 'funding-mined', height: blockHeight(130) },
          { status: 'confirming', confirmations, minDepth: 3 }
        )
      )
    assert.deepEqual(
      [at(1), at(2), at(3)],
      [
        ['1a2b3c4d  the funding is in block 130; waiting for 2 blocks'],
        ['1a2b3c4d  the funding is in block 130; waiting for 1 block'],
        ['1a2b3c4d  the funding is in block 130; waiting for the peer to see it']
      ]
    )
  })

  it('speaks of steps as users do, and as the protocol does when asked to', () => {
    const news: News[] = [
      { kind: 'offer-sent', capacity: satoshi(5n), refundHeight: blockHeight(9) },
      { kind: 'terms-taken', payer: 'wallet' },
      { kind: 'funding-built', by: 'wallet', fee: satoshi(153n), vsize: 153 },
      { kind: 'refund-asked-for', refundHeight: blockHeight(9) },
      { kind: 'refund-secured', payer: 'wallet' },
      { kind: 'funding-sent', by: 'wallet' },
      { kind: 'first-state-signed', client: satoshi(5n), server: satoshi(0n) },
      { kind: 'first-state-acknowledged' }
    ]
    const lines = (verbose: boolean): string[] => {
      const shown: string[] = []
      const progress = new OpeningProgress(
        isOpened({ peer: PEER, amount: channel.capacity }),
        (line) => shown.push(line.slice(10)),
        { verbose }
      )
      for (const each of news) progress.onEvent(event(each))
      return shown
    }
    assert.deepEqual(lines(true), [
      'asked for a channel of 5 sat until height 9',
      'the server named its key K2',
      `T1 ${FUNDING} is signed and held back; its fee is 153 sat (1 sat/vB, 153 vB)`,
      'sent T2 unsigned, locked until height 9',
      "the server's signature of T2 is right, and on disk",
      `T1 ${FUNDING} is handed over and broadcast`,
      'signed the initial T3: everything to the client, nothing to the server',
      'the server verified and stored the initial T3'
    ])
    assert.deepEqual(lines(false), [
      'asking the peer for the channel',
      'the peer accepts the channel',
      'funding prepared',
      'asking the peer to sign the refund',
      'refund secured',
      'funding sent',
      'first balances signed',
      'the peer is ready'
    ])
  })

  it('says how to mine as long as a block is missing, on a devnet', () => {
    const line = (confirmations: number, devnet?: string): string => {
      let shown = ''
      const progress = new OpeningProgress(
        isOpened({ peer: PEER, amount: channel.capacity }),
        (line) => {
          shown = line
        },
        { devnet: () => devnet }
      )
      progress.onEvent(
        event(
          { kind: 'first-state-acknowledged' },
          { status: 'confirming', confirmations, minDepth: 1 }
        )
      )
      return shown
    }
    assert.equal(
      line(0, DEFAULT_ELECTRUM),
      '1a2b3c4d  the peer is ready; waiting for 1 block (mine: paychan devnet mine 1)'
    )
    assert.ok(line(0, DEFAULT_ELECTRUM).length < 80)
    assert.match(
      line(0, 'tcp://127.0.0.1:50555'),
      /mine: paychan devnet mine 1 --electrum tcp:\/\/127\.0\.0\.1:50555\)$/
    )
    assert.equal(line(0), '1a2b3c4d  the peer is ready; waiting for 1 block')
    assert.equal(
      line(1, DEFAULT_ELECTRUM),
      '1a2b3c4d  the peer is ready; waiting for the peer to see it'
    )
  })

  it('shows the depth again with every block, once each', () => {
    const lines: string[] = []
    const progress = new OpeningProgress(
      isOpened({ peer: PEER, amount: channel.capacity }),
      (line) => lines.push(line)
    )
    const at = (confirmations: number): ChannelInfo => ({
      ...channel,
      status: 'confirming',
      confirmations,
      minDepth: 3
    })
    progress.onEvent(event({ kind: 'funding-mined', height: blockHeight(130) }, at(1)))
    for (const confirmations of [1, 2, 2]) {
      progress.onBlock([{ ...at(0), id: channelId('ee'.repeat(32)) }, at(confirmations)])
    }
    assert.deepEqual(lines, [
      '1a2b3c4d  the funding is in block 130; waiting for 2 blocks',
      '1a2b3c4d  a block has come; waiting for 1 block'
    ])
    assert.equal(progress.waitsFor(), '1 block')
  })

  it('knows who is waited for', () => {
    const progress = new OpeningProgress(
      isOpened({ peer: PEER, amount: channel.capacity }),
      () => {}
    )
    const after = (news: News): string => {
      progress.onEvent(event(news))
      return progress.waitsFor()
    }
    assert.equal(progress.waitsFor(), 'the peer to answer')
    assert.equal(
      after({ kind: 'offer-sent', capacity: channel.capacity, refundHeight: channel.refundHeight }),
      'the peer to answer the offer'
    )
    assert.match(after({ kind: 'terms-taken', payer: 'wallet' }), /Electrum/)
    assert.match(
      after({ kind: 'funding-built', by: 'wallet', fee: satoshi(153n), vsize: 153 }),
      /sign the refund/
    )
    assert.match(
      after({ kind: 'peer-says', code: 'ERR_ANY', text: 'Something else.' }),
      /sign the refund/
    )
    assert.match(after({ kind: 'funding-sent', by: 'wallet' }), /take the funding/)
    assert.match(
      after({ kind: 'first-state-signed', client: channel.capacity, server: satoshi(0n) }),
      /store the first state/
    )
    assert.match(after({ kind: 'first-state-acknowledged' }), /blocks/)
  })

  it('of a renewal knows the channel by the one that it renews', () => {
    const lines: string[] = []
    const progress = new OpeningProgress(isRenewal('ee'.repeat(4)), (line) => lines.push(line))
    progress.onEvent(event('another'))
    progress.onEvent(event('asked', { renews: channelId('ee'.repeat(32)) }))
    assert.deepEqual(lines, ['1a2b3c4d  asked'])
  })

  it('knows the peer by its multiaddr too', () => {
    assert.equal(follow(`/ip4/127.0.0.1/tcp/1/p2p/${PEER}`, event('one')).length, 1)
  })

  it('leaves out whatever is not about this opening', () => {
    assert.deepEqual(
      follow(
        PEER,
        event('another peer', { peerId: 'x' }),
        event('their channel', { role: 'server' }),
        event('a closing one', { status: 'closing' }),
        event('one that was open before', { status: 'open' }),
        { type: 'payment', payment },
        event('mine'),
        event('another of the same size', { id: channelId('ee'.repeat(32)) })
      ),
      ['1a2b3c4d  mine']
    )
  })
})
