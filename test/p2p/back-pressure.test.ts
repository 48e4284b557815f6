/**
 * A peer that pours and does not read, over real streams: what waits for it, and for us, is
 * bounded.
 */
import assert from 'node:assert/strict'
import type { Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { PROTOCOL } from '../../protocols/paychan/1.0/index.js'
import type { Message } from '../../protocols/paychan/1.0/index.js'
import type { Link } from '../../src/engine/ports.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { addressOf, startHost, startMute } from './hosts.js'
import type { TestServices } from './hosts.js'

/** `ChannelReady` in a frame. */
const READY = Uint8Array.of(2, 0x4a, 0)
const POURED = 100_000

describe('p2p / back-pressure', () => {
  let mute: Libp2p
  let bob: Libp2p<TestServices>

  before(async () => {
    mute = await startMute()
  })
  after(async () => {
    await mute.stop()
  })
  afterEach(async () => {
    await bob.stop()
  })

  /** Everything in one piece: what libp2p makes of it is its own affair. */
  const pour = (): Uint8Array =>
    Uint8Array.from({ length: READY.length * POURED }, (_, n) => READY[n % READY.length] ?? 0)

  it('a payer that never reads what it is answered is cut off, and told apart from one that went away', async () => {
    const maxQueuedBytes = 50_000
    bob = await startHost({
      maxQueuedBytes,
      closeTimeout: 100,
      onError: (error) => {
        throw error
      }
    })
    let answers = 0
    const ended = new Promise<Error | undefined>((resolve) => {
      bob.services.peers.onIncoming((link: Link) => ({
        // 80 bytes for 3: what an error of ours costs.
        onMessage: () => {
          answers += 1
          link.send({
            type: 'Error',
            code: 'ERR_ANY',
            rule: '',
            text: 'x'.repeat(60),
            fatal: false
          })
        },
        onClosed: resolve
      }))
    })
    const stream = await mute.dialProtocol(multiaddr(addressOf(bob)), PROTOCOL)
    stream.pause()
    stream.send(pour())
    const error = await ended
    assert.equal(codeOf(error), 'ERR_PEER_TOO_SLOW')
    assert.ok(error instanceof PaychanError)
    const queued = Number(error.facts['queuedBytes'])
    assert.ok(queued > maxQueuedBytes && queued < maxQueuedBytes + 200, `${queued} bytes waited`)
    assert.ok(answers < POURED, 'it was cut off before it had poured everything')
  })

  it('a payee that takes nothing in is not answered, and not read either', async () => {
    bob = await startHost({
      closeTimeout: 100,
      onError: (error) => {
        throw error
      }
    })
    const heard: Message[] = []
    let release = (): void => {}
    const busy = new Promise<void>((resolve) => {
      release = resolve
    })
    let all = (): void => {}
    const done = new Promise<void>((resolve) => {
      all = resolve
    })
    bob.services.peers.onIncoming(() => ({
      onMessage: async (message) => {
        heard.push(message)
        if (heard.length === POURED * 8) all()
        await busy
      },
      onClosed: () => {}
    }))
    const stream = await mute.dialProtocol(multiaddr(addressOf(bob)), PROTOCOL)
    // 2.4 MB: more than bob's window and what he reads ahead, so the rest has to wait with its
    // sender.
    for (let n = 0; n < 8; n++) stream.send(pour())
    while (heard.length === 0) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    for (let turns = 0; turns < 200; turns++) {
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    assert.equal(heard.length, 1)
    assert.ok(
      stream.writeBufferLength > 500_000,
      `${stream.writeBufferLength} bytes wait with the sender`
    )
    release()
    await done
  })
})
