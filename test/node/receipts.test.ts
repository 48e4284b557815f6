/**
 * Receipts of a payee that lies, or says nothing: none is taken that is not for the payment
 * (REQ-12).
 */
import assert from 'node:assert/strict'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Answer, Question, Receipt } from '../../protocols/request/1.0/index.js'
import { LongReads, type Running } from '../../src/node/running.js'
import type { RequestsApi } from '../../src/node/api.js'
import { answerQuestion, type RequestsEnv, requestsFacet } from '../../src/node/requests.js'
import { Requests } from '../../src/engine/requests.js'
import { requestPartId } from '../../src/engine/payments.js'
import { signReceipt, signRequest, type Unsigned, verifyReceipt } from '../../src/p2p/requests.js'
import { textOf } from '../../protocols/request/1.0/index.js'
import { SimDisk } from '../../src/testing/disk.js'
import { Life } from '../../src/testing/calendar.js'
import { PaychanError } from '../../src/types/errors.js'
import { channelId, toHex } from '../../src/types/bytes.js'
import { decodeRecord, recordChange } from '../../src/types/records.js'
import { satoshi, type Satoshi, ZERO_SAT } from '../../src/types/units.js'
import type { Channel } from '../../src/channel/state.js'
import { codeOfRejection } from './fixture.js'

const ID = '0102030405060708'
const NONCE = 'f1f2f3f4f5f6f7f8'

const keyOf = async (n: number): Promise<PrivateKey> =>
  await generateKeyPairFromSeed('Ed25519', new Uint8Array(32).fill(n))

describe('node / receipts', () => {
  let payer: PrivateKey
  let payee: PrivateKey
  let other: PrivateKey
  let text: string
  let answer: Answer
  let asked: Question[]
  /** What this node has paid for the request. */
  let paid: Satoshi
  let requests: RequestsApi
  let store: ReturnType<SimDisk['storeFor']>
  let isConnected: boolean
  /** The peers of channels. */
  let known: string[]
  let dialled: string[]

  beforeEach(async () => {
    isConnected = true
    known = []
    dialled = []
    ;[payer, payee, other] = [await keyOf(1), await keyOf(2), await keyOf(3)]
    text = await signRequest(
      {
        network: 'regtest',
        addresses: [],
        id: ID,
        amount: 3_000n,
        memo: 'tea',
        made: 1,
        expires: undefined,
        reusable: false,
        leastFirstPayment: 0n
      },
      payee
    )
    asked = []
    paid = satoshi(3_000n)
    store = new SimDisk().storeFor(new Life())
    const parts = {
      reads: new LongReads(),
      store,
      engine: { paidUnder: async () => paid, states: () => known.map((peer) => ({ peer })) },
      peers: {
        self: peerIdFromPrivateKey(payer).toString(),
        isConnected: () => isConnected,
        dial: async (to: string) => {
          dialled.push(to)
        }
      },
      questions: {
        ask: async (_peer: string, question: Question): Promise<Answer> => {
          asked.push(question)
          return answer
        }
      }
    }
    requests = requestsFacet(() => parts as unknown as Running, {
      network: 'regtest',
      privateKey: payer,
      multiaddrs: () => []
    })
  })

  async function receipt(
    changes: Partial<Unsigned<Receipt>> = {},
    by: PrivateKey = payee
  ): Promise<Answer> {
    const signed = await signReceipt(
      {
        network: 'regtest',
        payer: peerIdFromPrivateKey(payer).toString(),
        id: ID,
        nonce: undefined,
        amount: 3_000n,
        memo: 'tea',
        paid: 1_800_000_000,
        ...changes
      },
      by
    )
    return { state: 'paid', receipt: signed }
  }

  it('for the payment are taken, and kept: the payee is asked once', async () => {
    answer = await receipt()
    const first = await requests.receipt(text)
    answer = { state: 'unknown', receipt: undefined }
    assert.deepEqual(await requests.receipt(text), first)
    assert.deepEqual(await requests.receipt(ID), first)
    assert.deepEqual(asked, [{ id: ID, nonce: undefined }])
    assert.equal(first.amount, 3_000n)
  })

  for (const [lie, changes] of [
    ['less than was asked', { amount: 2_999n }],
    ['another payer', { payer: '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp' }],
    ['another request', { id: '1112131415161718' }],
    ['a reusable request', { nonce: NONCE }],
    ['another network', { network: 'mainnet' }]
  ] as const) {
    it(`for ${lie} are refused, and none is kept`, async () => {
      answer = await receipt(changes)
      assert.equal(await codeOfRejection(requests.receipt(text)), 'ERR_NO_RECEIPT')
      assert.equal(await codeOfRejection(requests.receipt(ID)), 'ERR_NO_RECEIPT')
    })
  }

  it('for less than was paid are refused, and asked for again once more was paid', async () => {
    answer = await receipt()
    await requests.receipt(text)
    paid = satoshi(5_000n)
    assert.equal(await codeOfRejection(requests.receipt(text)), 'ERR_NO_RECEIPT')
    answer = await receipt({ amount: 5_000n })
    assert.equal((await requests.receipt(text)).amount, 5_000n)
    assert.equal(asked.length, 3)
  })

  it('of another payee with a request of the same id stand in the way of nobody', async () => {
    const mallory = other
    const theirs = await signRequest(
      {
        network: 'regtest',
        addresses: [],
        id: ID,
        amount: 1n,
        memo: '',
        made: 1,
        expires: undefined,
        reusable: false,
        leastFirstPayment: 0n
      },
      mallory
    )
    answer = await receipt({}, mallory)
    const another = await requests.receipt(theirs)
    answer = await receipt()
    const mine = await requests.receipt(text)
    assert.notEqual(mine.payee, another.payee)
    assert.equal((await requests.receipt(text)).payee, mine.payee)
    assert.equal(await codeOfRejection(requests.receipt(ID)), 'ERR_NO_RECEIPT', 'two have that id')
  })

  it('of somebody else are refused', async () => {
    answer = await receipt({}, other)
    assert.equal(await codeOfRejection(requests.receipt(text)), 'ERR_NO_RECEIPT')
  })

  it('with a signature that is none are refused', async () => {
    const { receipt: signed } = await receipt()
    assert.ok(signed !== undefined)
    answer = { state: 'paid', receipt: { ...signed, signature: new Uint8Array(64) } }
    assert.equal(await codeOfRejection(requests.receipt(text)), 'ERR_INVALID_RECEIPT')
  })

  it('are asked for at hosts that a request names only when the payee is known', async () => {
    answer = await receipt()
    isConnected = false
    assert.equal(await codeOfRejection(requests.receipt(text)), 'ERR_NO_RECEIPT')
    assert.deepEqual([dialled, asked], [[], []])
    const peer = peerIdFromPrivateKey(payee).toString()
    known = [peer]
    assert.equal((await requests.receipt(text)).payee, peer)
    assert.deepEqual(dialled, [peer])
  })

  it('are not there while the payee gives none', async () => {
    answer = { state: 'open', receipt: undefined }
    assert.equal(await codeOfRejection(requests.receipt(text)), 'ERR_NO_RECEIPT')
  })
})

describe('node / payments for a reusable request without a name (REQ-9)', () => {
  const PAYER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
  const OPEN: Answer = { state: 'open', receipt: undefined }
  let text: string
  let names: string[]
  /** The names of payments that were signed. */
  let begun: Set<string>
  let outcome: (name: string) => Promise<unknown[]>
  let answer: Answer
  let requests: RequestsApi
  const made = async (): Promise<unknown[]> => [{ id: 'ab', amount: satoshi(1_000n) }]
  const unknown = async (name: string): Promise<never> => {
    begun.add(name)
    throw new PaychanError('ERR_PAYMENT_UNKNOWN', 'The connection broke.')
  }

  beforeEach(async () => {
    text = await signRequest(
      {
        network: 'regtest',
        addresses: [],
        id: ID,
        amount: 1_000n,
        memo: '',
        made: 1,
        expires: undefined,
        reusable: true,
        leastFirstPayment: 0n
      },
      await keyOf(2)
    )
    names = []
    begun = new Set()
    outcome = made
    answer = OPEN
    const parts = {
      reads: new LongReads(),
      store: new SimDisk().storeFor(new Life()),
      peers: { self: PAYER, isConnected: () => true },
      questions: { ask: async () => answer },
      engine: {
        payable: () => [],
        paidUnder: async () => ZERO_SAT,
        hasBegun: async (_peer: string, name: string) => begun.has(name),
        payOnce: async ({ id }: { readonly id: string }) => {
          names.push(id)
          return await outcome(id)
        }
      }
    }
    requests = requestsFacet(() => parts as unknown as Running, {
      network: 'regtest',
      privateKey: await keyOf(1),
      multiaddrs: () => []
    })
  })

  /** The payee's receipt for a payment with this nonce. */
  async function paidFor(nonce: string, amount: bigint): Promise<Answer> {
    const receipt = await signReceipt(
      { network: 'regtest', payer: PAYER, id: ID, nonce, amount, memo: '', paid: 1 },
      await keyOf(2)
    )
    return { state: 'paid', receipt }
  }

  it('go on with the one whose outcome was unknown; what came to an end is not asked for again', async () => {
    outcome = unknown
    for (const time of ['first', 'second']) {
      const code = await codeOfRejection(requests.pay({ request: text }))
      assert.equal(code, 'ERR_PAYMENT_UNKNOWN', time)
    }
    outcome = made
    await requests.pay({ request: text })
    await requests.pay({ request: text })
    const [first, second, third, fourth] = names
    assert.deepEqual([second, third], [first, first])
    assert.notEqual(fourth, first)
  })

  it('go on although a receipt was fetched in the middle, for what was paid until then', async () => {
    outcome = unknown
    await codeOfRejection(requests.pay({ request: text }))
    const [name = ''] = names
    answer = await paidFor(name.slice(-16), 1_000n)
    await requests.receipt(text)
    outcome = made
    await requests.pay({ request: text })
    assert.deepEqual(names, [name, name])
  })

  it('whose receipt came late are not paid again with the next payment', async () => {
    await requests.pay({ request: text })
    const [name = ''] = names
    answer = await paidFor(name.slice(-16), 1_000n)
    assert.equal((await requests.receipt(text)).nonce, name.slice(-16))
    assert.equal((await requests.receipt(text)).nonce, name.slice(-16), 'the only one that is here')
    answer = OPEN
    await requests.pay({ request: text })
    assert.equal(new Set(names).size, 2)
  })

  it('of two callers at the same time are two', async () => {
    await Promise.all([requests.pay({ request: text }), requests.pay({ request: text })])
    assert.equal(new Set(names).size, 2)
  })

  it('of which nothing was signed leave nothing behind', async () => {
    outcome = async () => {
      throw new PaychanError('ERR_INSUFFICIENT_BALANCE', 'Too little.')
    }
    await codeOfRejection(requests.pay({ request: text }))
    await codeOfRejection(requests.pay({ request: text }))
    assert.equal(new Set(names).size, 2)
  })
})

describe('node / what a payee answers (REQ-11)', () => {
  const PAYER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
  const NOW = Date.now()
  let parts: Running
  let env: RequestsEnv
  let self: string
  let made: Requests
  let store: ReturnType<SimDisk['storeFor']>

  beforeEach(async () => {
    const privateKey = await keyOf(2)
    self = peerIdFromPrivateKey(privateKey).toString()
    env = { network: 'regtest', privateKey, multiaddrs: () => [] }
    store = new SimDisk().storeFor(new Life())
    made = new Requests({
      store,
      clock: { now: () => NOW },
      self
    })
    parts = { engine: { requests: made }, store } as unknown as Running
  })

  async function make(changes: { expires?: number; reusable?: boolean } = {}): Promise<void> {
    await made.make({
      id: ID,
      text: '',
      amount: satoshi(3_000n),
      memo: 'tea',
      made: 1,
      reusable: false,
      leastFirstPayment: ZERO_SAT,
      ...changes
    })
  }

  /** As the engine does when a payment has come. */
  async function pays(
    peer: string,
    amount: bigint,
    part = 0,
    nonce: string | undefined = undefined
  ): Promise<void> {
    const id = requestPartId(self, { id: ID, nonce }, part)
    const channel = { id: channelId('ab'.repeat(32)), peer } as Channel
    const changes = made.changes(channel, {
      sequence: 1,
      direction: 'received',
      time: 1_800_000_000_500,
      payments: [{ id, amount, memo: 'tea' }]
    })
    await store.commit(changes)
  }

  const ask = async (peer = PAYER, nonce?: string): Promise<string> => {
    const { state, receipt } = await answerQuestion(parts, env, { id: ID, nonce }, peer)
    if (receipt === undefined) return state
    const { amount, payer } = await verifyReceipt(textOf('receipt', receipt))
    assert.equal(payer, peer)
    return `${state}, a receipt for ${amount}`
  }

  it('about a request that is not there, or of the other kind: unknown', async () => {
    assert.equal(await ask(), 'unknown')
    await make()
    assert.deepEqual([await ask(), await ask(PAYER, NONCE)], ['open', 'unknown'])
  })

  it('gives a receipt once all of it has come from the one who asks', async () => {
    await make()
    await pays(PAYER, 1_000n)
    assert.equal(await ask(), 'open')
    await pays(PAYER, 2_500n, 1)
    assert.equal(await ask(), 'paid, a receipt for 3500')
    assert.equal(await ask(self), 'paid', 'to nobody else')
  })

  it('counts parts behind some that failed, and none far behind', async () => {
    await make()
    await pays(PAYER, 3_000n, 15)
    assert.equal(await ask(), 'paid, a receipt for 3000')
    await pays(PAYER, 3_000n, 32)
    assert.equal(await ask(), 'paid, a receipt for 3000', 'sixteen are missing before it')
  })

  it('counts a part under one nonce only, though its id would do for two', async () => {
    await make({ reusable: true })
    await pays(PAYER, 3_000n, 0, NONCE)
    assert.equal(await ask(PAYER, NONCE), 'paid, a receipt for 3000')
    const first = await store.entries('requested/')[Symbol.asyncIterator]().next()
    assert.ok(first.done !== true)
    const [key, value] = first.value
    const twin = '0123456789abcdef'
    const other = toHex(requestPartId(self, { id: ID, nonce: twin }, 0))
    const record = decodeRecord<object>(key, value)
    await store.commit([recordChange(`requested/${other}/${PAYER}`, record)])
    assert.equal(await ask(PAYER, twin), 'open')
  })

  it('says when it has expired, and gives the receipt all the same', async () => {
    await make({ expires: NOW - 1 })
    assert.equal(await ask(), 'expired')
    await pays(PAYER, 3_000n)
    assert.equal(await ask(), 'paid, a receipt for 3000')
  })

  it('knows each payment of a reusable one by its nonce', async () => {
    await make({ reusable: true })
    await pays(PAYER, 3_000n, 0, NONCE)
    assert.deepEqual(
      [await ask(PAYER, NONCE), await ask(PAYER, '0'.repeat(16)), await ask()],
      ['paid, a receipt for 3000', 'open', 'unknown']
    )
  })
})
