/** What the engine relies on in every adapter of the port `Peers`. */
import assert from 'node:assert/strict'
import type { Message, Update } from '../../protocols/paychan/1.0/index.js'
import type { Link, LinkListener, Peers } from '../../src/engine/ports.js'
import { codeOf } from '../../src/types/errors.js'
import { Recorder } from '../p2p/hosts.js'

/** Two peers that can reach each other, and what a test needs to disturb them. */
export interface PeersWorld {
  readonly alice: Peers
  readonly bob: Peers
  /** What `alice.open` takes to reach bob. */
  readonly bobAddress: string
  /** A peer that is there and does not speak /paychan/1.0. */
  readonly mute: string
  /** A peer that is known, and not there. */
  readonly gone: string
  /** A name that nobody has. */
  readonly unknown: string
  /** What was reported on bob's side. */
  readonly reported: Error[]
  /** Breaks what connects the two. */
  cut: () => void
  /** Opens a link to bob that can send any bytes as an Envelope. */
  intrude: (listener: LinkListener) => Promise<{ sendBytes: (bytes: Uint8Array) => void }>
  stop: () => Promise<void>
}

const ack = (sequence: number): Message => ({ type: 'UpdateAck', turn: 0, sequence })

/** A turn of the event loop. */
const turn = async (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/** Links between alice and bob, and who listens at both ends. */
async function connect(
  world: PeersWorld,
  bobs: LinkListener
): Promise<{ link: Link; listener: Recorder; bobLink: Link }> {
  const listener = new Recorder()
  const incoming = new Promise<Link>((resolve) => {
    world.bob.onIncoming((link) => {
      resolve(link)
      return bobs
    })
  })
  const link = await world.alice.open(world.bobAddress, () => listener)
  return { link, listener, bobLink: await incoming }
}

async function rejectsWith(code: string, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.equal(codeOf(error), code)
    return true
  })
}

/**
 * Describes the contract; `create` makes a fresh world with at most `maxQueuedBytes` waiting on a
 * link.
 */
export function peersContract(
  create: (options: { maxQueuedBytes: number }) => Promise<PeersWorld>
): void {
  let world: PeersWorld

  beforeEach(async () => {
    world = await create({ maxQueuedBytes: 100_000 })
  })

  afterEach(async () => {
    await world.stop()
  })

  describe('opening', () => {
    it('names the authenticated peer on both sides', async () => {
      const { link, bobLink } = await connect(world, new Recorder())
      assert.equal(link.peer, world.bob.self)
      assert.equal(bobLink.peer, world.alice.self)
      assert.notEqual(world.alice.self, world.bob.self)
    })

    it('rejects a name that nobody has', async () => {
      await rejectsWith(
        'ERR_PEER_UNKNOWN',
        world.alice.open(world.unknown, () => new Recorder())
      )
    })

    it('rejects when the peer is not there', async () => {
      await rejectsWith(
        'ERR_PEER_UNREACHABLE',
        world.alice.open(world.gone, () => new Recorder())
      )
    })

    it('rejects when the peer is the node itself', async () => {
      await rejectsWith(
        'ERR_PEER_UNREACHABLE',
        world.alice.open(world.alice.self, () => new Recorder())
      )
    })

    it('rejects when the peer does not speak the protocol', async () => {
      await rejectsWith(
        'ERR_NO_PAYCHAN',
        world.alice.open(world.mute, () => new Recorder())
      )
    })

    it('rejects with what the listener of the opener throws', async () => {
      world.bob.onIncoming(() => new Recorder())
      await assert.rejects(
        world.alice.open(world.bobAddress, () => {
          throw new Error('not today')
        }),
        /not today/
      )
    })

    it('is answered with an Error while nobody accepts', async () => {
      const stop = world.bob.onIncoming(() => new Recorder())
      stop()
      stop()
      const listener = new Recorder()
      await world.alice.open(world.bobAddress, () => listener)
      assert.equal(await listener.closed(), undefined)
      assert.deepEqual(
        listener.messages.map((message) => message.type === 'Error' && message.code),
        ['ERR_NOT_READY']
      )
    })

    it('is answered with an Error, and reported, when the one who accepts throws', async () => {
      world.bob.onIncoming(() => {
        throw new Error('broken acceptor')
      })
      const listener = new Recorder()
      await world.alice.open(world.bobAddress, () => listener)
      await listener.closed()
      assert.deepEqual(
        listener.messages.map((message) => message.type === 'Error' && message.code),
        ['ERR_INTERNAL']
      )
      assert.deepEqual(
        world.reported.map((error) => error.message),
        ['broken acceptor']
      )
    })
  })

  describe('sending', () => {
    it('delivers in order, both ways', async () => {
      const listener = new Recorder()
      const { link, bobLink, listener: alices } = await connect(world, listener)
      const sent = Array.from({ length: 1_000 }, (_, index) => ack(index))
      for (const message of sent) link.send(message)
      for (const message of sent.slice(0, 10)) bobLink.send(message)
      assert.deepEqual(await listener.received(1_000), sent)
      assert.deepEqual(await alices.received(10), sent.slice(0, 10))
    })

    it('delivers what both sides send before they have a listener', async () => {
      const bobs = new Recorder()
      world.bob.onIncoming((link) => {
        link.send(ack(1))
        return bobs
      })
      const alices = new Recorder()
      await world.alice.open(world.bobAddress, (link) => {
        link.send(ack(2))
        return alices
      })
      assert.deepEqual(await bobs.received(1), [ack(2)])
      assert.deepEqual(await alices.received(1), [ack(1)])
    })

    it('delivers later, never while sending', async () => {
      const listener = new Recorder()
      const { link } = await connect(world, listener)
      link.send(ack(1))
      assert.deepEqual(listener.messages, [])
      await listener.received(1)
    })

    it('takes the message as it is now', async () => {
      const listener = new Recorder()
      const { link } = await connect(world, listener)
      const signature = new Uint8Array(64).fill(1)
      const update: Update = {
        type: 'Update',
        turn: 0,
        sequence: 1,
        payerBalance: 5n,
        payments: [],
        signature
      }
      link.send(update)
      signature.fill(2)
      assert.deepEqual(await listener.received(1), [
        { ...update, signature: new Uint8Array(64).fill(1) }
      ])
    })

    it('makes one plain line of the text of an Error, whatever it was', async () => {
      const listener = new Recorder()
      const { link } = await connect(world, listener)
      link.send({
        type: 'Error',
        code: 'ERR_ANY',
        rule: '',
        text: `two\nlines ${'€'.repeat(400)}`,
        fatal: false
      })
      const [told] = await listener.received(1)
      // 10 bytes, then 330 x 3 bytes: the 331st would end at byte 1,003.
      assert.equal(told?.type === 'Error' && told.text, `two lines ${'€'.repeat(330)}`)
    })

    it('keeps two links of the same peers apart', async () => {
      const listeners = [new Recorder(), new Recorder()]
      let next = 0
      world.bob.onIncoming(() => listeners[next++] ?? new Recorder())
      const first = await world.alice.open(world.bobAddress, () => new Recorder())
      const second = await world.alice.open(world.bobAddress, () => new Recorder())
      first.send(ack(1))
      second.send(ack(2))
      assert.deepEqual(
        (await Promise.all(listeners.map(async (listener) => listener.received(1)))).flat(),
        [ack(1), ack(2)]
      )
      first.close()
      await listeners[0]?.closed()
      second.send(ack(3))
      assert.deepEqual(await listeners[1]?.received(2), [ack(2), ack(3)])
    })

    it('holds the peer back while a listener is busy', async () => {
      let release = (): void => {}
      const busy = new Promise<void>((resolve) => {
        release = resolve
      })
      const seen: Message[] = []
      const last = new Promise<void>((resolve) => {
        void connect(world, {
          onMessage: (message) => {
            seen.push(message)
            if (seen.length === 3) resolve()
            return seen.length === 1 ? busy : undefined
          },
          onClosed: () => {}
        }).then(async ({ link }) => {
          for (const sequence of [1, 2, 3]) link.send(ack(sequence))
          while (seen.length === 0) await turn()
          await turn()
          assert.deepEqual(seen, [ack(1)])
          release()
        })
      })
      await last
      assert.deepEqual(seen, [ack(1), ack(2), ack(3)])
    })
  })

  describe('ending', () => {
    it('delivers all that was sent before a close, then the end, once, on both sides', async () => {
      const bobs = new Recorder()
      const { link, listener, bobLink } = await connect(world, bobs)
      for (const sequence of [1, 2, 3]) link.send(ack(sequence))
      link.close()
      link.close()
      link.send(ack(4))
      assert.deepEqual(listener.endings, [], 'the end is told later')
      assert.equal(await bobs.closed(), undefined)
      assert.equal(await listener.closed(), undefined)
      bobLink.send(ack(5))
      bobLink.close()
      await turn()
      assert.deepEqual(bobs.messages, [ack(1), ack(2), ack(3)])
      assert.deepEqual(listener.messages, [])
      assert.deepEqual([bobs.endings, listener.endings], [[undefined], [undefined]])
    })

    it('delivers nothing more to the side that has closed', async () => {
      const { link, listener, bobLink } = await connect(world, new Recorder())
      bobLink.send(ack(1))
      await listener.received(1)
      link.close()
      bobLink.send(ack(2))
      await listener.closed()
      await turn()
      assert.deepEqual(listener.messages, [ack(1)])
    })

    it('tells both sides, once, when the connection breaks', async () => {
      const bobs = new Recorder()
      const { listener } = await connect(world, bobs)
      world.cut()
      assert.equal(codeOf(await bobs.closed()), 'ERR_CONNECTION_LOST')
      assert.equal(codeOf(await listener.closed()), 'ERR_CONNECTION_LOST')
      await turn()
      assert.deepEqual([bobs.endings.length, listener.endings.length], [1, 1])
    })

    it('closes the link with an end of its own when the peer does not read (WIRE-11)', async () => {
      const { link, listener } = await connect(world, {
        onMessage: async () => new Promise(() => {}),
        onClosed: () => {}
      })
      // 100 x 163 bytes a turn. What the real adapter may have on its way besides the queue, both
      // stream windows and read buffers, is a few MiB: 1,000 turns are 16 MB.
      const update: Update = {
        type: 'Update',
        turn: 0,
        sequence: 1,
        payerBalance: 5n,
        payments: Array.from({ length: 100 }, () => ({
          id: new Uint8Array(16),
          amount: 1n,
          memo: 'x'.repeat(128)
        })),
        signature: new Uint8Array(64)
      }
      for (let turns = 0; turns < 1_000 && listener.endings.length === 0; turns++) {
        link.send(update)
        await turn()
      }
      assert.equal(codeOf(await listener.closed()), 'ERR_PEER_TOO_SLOW')
    })

    it('reports a listener that throws, closes that link, and goes on', async () => {
      let ended: Error | undefined
      const ending = new Promise<void>((resolve) => {
        void connect(world, {
          onMessage: () => {
            throw new Error('broken listener')
          },
          onClosed: (error) => {
            ended = error
            resolve()
            throw new Error('broken twice')
          }
        }).then(({ link }) => {
          link.send(ack(1))
        })
      })
      await ending
      assert.equal(codeOf(ended), 'ERR_LISTENER_FAILED')
      assert.deepEqual(
        world.reported.map((error) => error.message),
        ['broken listener', 'broken twice']
      )
      const listener = new Recorder()
      await world.alice
        .open(world.bobAddress, () => listener)
        .then((link) => {
          link.send(ack(1))
        })
      await listener.closed()
      assert.deepEqual(
        listener.messages.map((message) => message.type === 'Error' && message.code),
        ['ERR_INTERNAL']
      )
    })
  })

  describe('a peer that sends what is no message', () => {
    for (const [what, bytes, rule] of [
      ['garbage', Uint8Array.of(0xff, 0xff, 0xff, 0xff), 'WIRE-4'],
      ['two bodies', Uint8Array.of(0x42, 0, 0x4a, 0), 'WIRE-3'],
      ['a txid of 31 bytes', Uint8Array.of(0x72, 33, 0x0a, 31, ...new Uint8Array(31)), 'WIRE-6']
    ] as const) {
      it(`is told the rule and the link is closed: ${what}`, async () => {
        const bobs = new Recorder()
        world.bob.onIncoming(() => bobs)
        const intruder = new Recorder()
        const link = await world.intrude(intruder)
        link.sendBytes(Uint8Array.of(0x4a, 0))
        link.sendBytes(bytes)
        link.sendBytes(Uint8Array.of(0x4a, 0))
        const error = await bobs.closed()
        assert.equal(codeOf(error), 'ERR_BAD_MESSAGE')
        assert.equal(error instanceof Error && 'rule' in error && error.rule, rule)
        assert.deepEqual(bobs.messages, [{ type: 'ChannelReady' }])
        const [told] = await intruder.received(1)
        assert.deepEqual(told?.type === 'Error' && [told.code, told.rule, told.fatal], [
          'ERR_BAD_MESSAGE',
          rule,
          false
        ])
      })
    }
  })
}
