/** `/paychan/request/1.0`: a question and an answer, and peers that do not keep to it. */
import assert from 'node:assert/strict'
import type { Libp2p, Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { type Answer, type Question, REQUEST_PROTOCOL } from '../../protocols/request/1.0/index.js'
import { RequestQuestions, type RequestComponents } from '../../src/p2p/requests.js'
import { PaychanError } from '../../src/types/errors.js'
import { addressOf, startMute } from './hosts.js'

const QUESTION: Question = { id: '0102030405060708', nonce: undefined }
const OPEN: Answer = { state: 'open', receipt: undefined }

/** The components of a host as its services get them. */
function componentsOf(host: Libp2p): RequestComponents {
  return (host as unknown as { readonly components: RequestComponents }).components
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'it was not refused',
    (error: unknown) => (error instanceof PaychanError ? error.code : String(error))
  )
}

describe('p2p / questions about requests', () => {
  let [asker, payee]: Libp2p[] = []
  let questions: RequestQuestions
  let errors: Error[]

  beforeEach(async () => {
    ;[asker, payee] = [await startMute(), await startMute()]
    errors = []
    questions = new RequestQuestions(
      componentsOf(asker),
      async () => OPEN,
      (error) => {
        errors.push(error)
      }
    )
  })
  afterEach(async () => {
    await Promise.all([asker, payee].map(async (host) => await host?.stop()))
  })

  function host(which: 'asker' | 'payee'): Libp2p {
    const found = which === 'asker' ? asker : payee
    assert.ok(found !== undefined)
    return found
  }

  async function answering(
    answer: (question: Question, peer: string) => Promise<Answer>,
    most?: number
  ): Promise<void> {
    const onError = (error: Error): void => {
      errors.push(error)
    }
    const answers = new RequestQuestions(componentsOf(host('payee')), answer, onError, { most })
    await answers.start()
  }

  const ask = async (): Promise<Answer> => await questions.ask(addressOf(host('payee')), QUESTION)

  it('are answered, and the payee knows who asks', async () => {
    const asked: unknown[] = []
    await answering(async (question, peer) => {
      asked.push([question, peer])
      return OPEN
    })
    assert.deepEqual(await ask(), OPEN)
    assert.deepEqual(await ask(), OPEN)
    assert.deepEqual(asked, [
      [QUESTION, host('asker').peerId.toString()],
      [QUESTION, host('asker').peerId.toString()]
    ])
  })

  it('to a peer that does not speak it, or is not there, say so', async () => {
    assert.equal(await codeOf(ask()), 'ERR_NO_REQUESTS_SPOKEN')
    const address = addressOf(host('payee'))
    await host('payee').stop()
    assert.equal(await codeOf(questions.ask(address, QUESTION)), 'ERR_PEER_UNREACHABLE')
  })

  for (const [what, bytes] of [
    ['nothing', undefined],
    ['what is no answer', Uint8Array.of(0xff)],
    ['an answer without a state', new Uint8Array(0)],
    ['more than an answer may have', new Uint8Array(3_000)]
  ] as const) {
    it(`answered with ${what} fail, and the node goes on`, async () => {
      await host('payee').handle(REQUEST_PROTOCOL, async (stream: Stream) => {
        const framed = lpStream(stream)
        await framed.read()
        if (bytes !== undefined) await framed.write(bytes)
        await stream.close()
      })
      assert.equal(await codeOf(ask()), 'ERR_BAD_ANSWER')
    })
  }

  it('that are none end their stream, and cost the payee nothing', async () => {
    await answering(async () => OPEN)
    for (const bytes of [Uint8Array.of(0xff), new Uint8Array(0), new Uint8Array(3_000)]) {
      const connection = await host('asker').dial(host('payee').getMultiaddrs())
      const framed = lpStream(await connection.newStream(REQUEST_PROTOCOL))
      await framed.write(bytes)
      await assert.rejects(framed.read())
    }
    assert.deepEqual([errors, await ask()], [[], OPEN])
  })

  it('that the payee cannot answer are told on its side, and fail on the other', async () => {
    await answering(async () => {
      throw new PaychanError('ERR_STORE_CORRUPT', 'damaged')
    })
    assert.equal(await codeOf(ask()), 'ERR_BAD_ANSWER')
    assert.deepEqual(
      errors.map(({ message }) => message),
      ['damaged']
    )
  })

  it('beyond so many at the same time are not answered', async () => {
    let go = (): void => {}
    const held = new Promise<void>((resolve) => {
      go = resolve
    })
    await answering(async () => {
      await held
      return OPEN
    }, 2)
    const asks = [codeOf(ask()), codeOf(ask()), codeOf(ask())]
    assert.equal(await Promise.race(asks), 'ERR_BAD_ANSWER')
    go()
    assert.deepEqual((await Promise.all(asks)).sort(), [
      'ERR_BAD_ANSWER',
      'it was not refused',
      'it was not refused'
    ])
  })

  it('from who says nothing take no place', async () => {
    await answering(async () => OPEN, 1)
    const connection = await host('asker').dial(host('payee').getMultiaddrs())
    const silent = await connection.newStream(REQUEST_PROTOCOL)
    assert.deepEqual(await ask(), OPEN)
    silent.abort(new Error('enough'))
  })

  it('of one peer are answered four at a time', async () => {
    let go = (): void => {}
    const held = new Promise<void>((resolve) => {
      go = resolve
    })
    const second = await startMute()
    const others = new RequestQuestions(
      componentsOf(second),
      async () => OPEN,
      () => {}
    )
    let isHeld = true
    await answering(async () => {
      if (isHeld) await held
      return OPEN
    })
    const mine = Array.from({ length: 5 }, async () => await codeOf(ask()))
    assert.equal(await Promise.race(mine), 'ERR_BAD_ANSWER')
    isHeld = false
    assert.deepEqual(await others.ask(addressOf(host('payee')), QUESTION), OPEN, 'another peer')
    go()
    assert.equal((await Promise.all(mine)).filter((code) => code === 'ERR_BAD_ANSWER').length, 1)
    await second.stop()
  })
})
