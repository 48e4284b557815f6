/** Receipts of a payee that lies, or says nothing: none is taken that is not for the payment (REQ-12). */
import assert from 'node:assert/strict'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Answer, Question, Receipt } from '../../protocols/request/1.0/index.js'
import type { RequestsApi } from '../../src/node/api.js'
import { answerQuestion, requestsFacet, type RequestsEnv } from '../../src/node/requests-facet.js'
import type { Running } from '../../src/node/running.js'
import { Requests } from '../../src/engine/requests.js'
import { requestPartId } from '../../src/engine/paid-records.js'
import { signReceipt, signRequest, type Unsigned, verifyReceipt } from '../../src/p2p/requests.js'
import { textOf } from '../../protocols/request/1.0/index.js'
import { SimDisk } from '../../src/testing/disk.js'
import { Life } from '../../src/testing/life.js'
import { channelId } from '../../src/types/bytes.js'
import { satoshi, ZERO_SAT } from '../../src/types/units.js'
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
  let requests: RequestsApi
  let store: ReturnType<SimDisk['storeFor']>

  beforeEach(async () => {
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
    store = new SimDisk().storeFor(new Life())
    const parts = {
      store,
      peers: { self: peerIdFromPrivateKey(payer).toString(), isConnected: () => true },
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

  it('are not there while the payee gives none', async () => {
    answer = { state: 'open', receipt: undefined }
    assert.equal(await codeOfRejection(requests.receipt(text)), 'ERR_NO_RECEIPT')
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
    parts = { engine: { requests: made } } as unknown as Running
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
      payments: [{ id, amount, memo: '' }]
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

  it('counts no part behind one that is missing', async () => {
    await make()
    await pays(PAYER, 3_000n, 1)
    assert.equal(await ask(), 'paid', 'the money has come, and there is no receipt for it')
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
