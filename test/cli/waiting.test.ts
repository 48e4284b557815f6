/** Whoever waits is told what for, and can give up an opening in time. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serveApi, type ApiServer } from '../../src/daemon/server.js'
import { PaychanError } from '../../src/types/errors.js'
import { blockHeight } from '../../src/types/units.js'
import { channel, FakeNode, paid, PEER } from '../daemon/fake-node.js'
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
        const fallback = node[verb].bind(node) as (...given: unknown[]) => Promise<never>
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
