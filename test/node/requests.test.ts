/** Payment requests between whole nodes: made, paid once, with a receipt; and what goes wrong. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PrivateKey } from '@libp2p/interface'
import type { PaymentRequest } from '../../protocols/request/1.0/index.js'
import type { RequestInfo } from '../../src/node/api.js'
import { paychanIdentity } from '../../src/node/identity.js'
import { STORE_DIRECTORY } from '../../src/node/system.js'
import { readReceipt } from '../../src/node/receipts.js'
import { readRequest } from '../../src/node/requests.js'
import { signRequest, type Unsigned } from '../../src/p2p/requests.js'
import { PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { codeOfRejection, Fixture, type TestNode } from './fixture.js'

const BLOCKS = 144
const HOUR_S = 3_600

async function errorOf(promise: Promise<unknown>): Promise<PaychanError> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
  assert.ok(error instanceof PaychanError, 'it was expected to be refused')
  return error
}

describe('node / payment requests', () => {
  let fixture: Fixture
  let alice: TestNode
  let bob: TestNode
  let [toAlice, toBob] = ['', '']

  beforeEach(async () => {
    fixture = await Fixture.create()
    ;[alice, bob] = [await fixture.rich('alice'), await fixture.node('bob')]
    ;[toAlice, toBob] = [(await alice.api.info()).peerId, (await bob.api.info()).peerId]
  })
  afterEach(async () => {
    await fixture.end()
  })

  async function open(client: TestNode, amount = 50_000n): Promise<string> {
    const request = { peer: await bob.address(), amount: satoshi(amount), blocks: BLOCKS }
    return (await client.api.channels.open(request)).id
  }

  async function income(): Promise<bigint> {
    return (await bob.api.channels.list()).reduce((sum, { ourBalance }) => sum + ourBalance, 0n)
  }

  /** Bob's request, by its id. */
  async function listed(id: string): Promise<RequestInfo> {
    const found = (await bob.api.requests.list()).find((request) => request.id === id)
    assert.ok(found !== undefined)
    return found
  }

  it('are paid with a receipt, which anybody can check', async () => {
    await open(alice)
    const made = await bob.api.requests.make({
      amount: satoshi(3_000n),
      memo: 'two coffees',
      expiresIn: HOUR_S
    })
    const { payee, amount, memo, multiaddrs, expires } = await readRequest(made.text)
    assert.deepEqual(
      [payee, amount, memo, multiaddrs, expires],
      [toBob, 3_000n, 'two coffees', [await bob.address()], made.made + 1_000 * HOUR_S]
    )
    assert.deepEqual(await alice.api.requests.read(made.uri), await readRequest(made.text))

    const paid = await alice.api.requests.pay({ request: made.text })
    assert.deepEqual(
      [paid.amount, paid.memo, paid.already, paid.request, paid.receiptProblem],
      [3_000n, 'two coffees', false, made.id, undefined]
    )
    const { paid: at, ...receipt } = await readReceipt(paid.receipt ?? '')
    assert.deepEqual(receipt, {
      text: paid.receipt,
      network: 'regtest',
      request: made.id,
      nonce: undefined,
      payee: toBob,
      payer: toAlice,
      amount: 3_000n,
      memo: 'two coffees'
    })
    const now = await listed(made.id)
    assert.deepEqual(
      [now.state, now.received, now.paidBy, Math.floor((now.paidAt ?? 0) / 1_000) * 1_000],
      ['paid', 3_000n, toAlice, at]
    )
    await bob.sees(async () =>
      bob.events.all.some((event) => event.type === 'request' && event.request.state === 'paid')
    )
  })

  it('are paid once: again by the same payer, and by another one', async () => {
    const carol = await fixture.rich('carol')
    await open(alice)
    await open(carol)
    const { text, id } = await bob.api.requests.make({ amount: satoshi(3_000n) })
    const first = await alice.api.requests.pay({ request: text })
    const again = await alice.api.requests.pay({ request: text.toUpperCase() })
    assert.deepEqual([again.already, again.receipt], [true, first.receipt])
    const refused = await errorOf(carol.api.requests.pay({ request: text }))
    assert.equal(refused.code, 'ERR_REQUEST_PAID')
    assert.match(refused.message, /somebody else has paid this request.*nothing was paid/)
    assert.deepEqual([await income(), (await listed(id)).received], [3_000n, 3_000n])
    assert.equal(await codeOfRejection(carol.api.requests.receipt(text)), 'ERR_NO_RECEIPT')
  })

  it('are paid once over restarts of both sides, and the receipt is kept', async () => {
    await open(alice)
    const { text, id } = await bob.api.requests.make({ amount: satoshi(3_000n) })
    const { receipt } = await alice.api.requests.pay({ request: text })
    await alice.api.stop()
    alice = await fixture.node('alice')
    assert.equal((await alice.api.requests.receipt(id)).text, receipt, 'without the payee')
    const again = await alice.api.requests.pay({ request: text })
    assert.deepEqual([again.already, again.receipt], [true, receipt])
    await bob.api.stop()
    bob = await fixture.node('bob')
    assert.deepEqual([(await listed(id)).state, await income()], ['paid', 3_000n])
  })

  it('are split over channels, and the receipt is for the whole', async () => {
    await open(alice, 20_000n)
    await open(alice, 20_000n)
    const { text, id } = await bob.api.requests.make({ amount: satoshi(30_000n) })
    const { parts, receipt } = await alice.api.requests.pay({ request: text })
    assert.deepEqual(
      [parts.length, (await readReceipt(receipt ?? '')).amount, (await listed(id)).payments],
      [2, 30_000n, 2]
    )
  })

  it('leave the amount to the payer, or take more than they ask for, but not less', async () => {
    await open(alice)
    const [any, some] = [
      await bob.api.requests.make({ memo: 'tips' }),
      await bob.api.requests.make({ amount: satoshi(3_000n) })
    ]
    for (const [request, amount] of [
      [any.text, undefined],
      [some.text, 2_999n]
    ] as const) {
      assert.equal(
        await codeOfRejection(
          alice.api.requests.pay({
            request,
            amount: amount === undefined ? undefined : satoshi(amount)
          })
        ),
        'ERR_REQUEST_AMOUNT'
      )
    }
    const tip = await alice.api.requests.pay({ request: any.text, amount: satoshi(1_000n) })
    const more = await alice.api.requests.pay({ request: some.text, amount: satoshi(3_500n) })
    assert.deepEqual(
      [tip.amount, more.amount, (await readReceipt(more.receipt ?? '')).amount],
      [1_000n, 3_500n, 3_500n]
    )
    assert.equal(
      await codeOfRejection(alice.api.requests.pay({ request: any.text, amount: satoshi(2_000n) })),
      'ERR_PAYMENT_CONFLICT',
      'once is once'
    )
  })

  it('that are reusable are paid again, once for each name', async () => {
    await open(alice)
    const { text, id } = await bob.api.requests.make({ amount: satoshi(1_000n), reusable: true })
    const anonymous = await alice.api.requests.pay({ request: text })
    const [rent, again] = [
      await alice.api.requests.pay({ request: text, id: 'rent' }),
      await alice.api.requests.pay({ request: text, id: 'rent' })
    ]
    assert.deepEqual([anonymous.already, rent.already, again.already], [false, false, true])
    assert.equal(again.receipt, rent.receipt)
    assert.notEqual(
      (await readReceipt(anonymous.receipt ?? '')).nonce,
      (await readReceipt(rent.receipt ?? '')).nonce
    )
    assert.deepEqual(
      [(await alice.api.requests.receipt(id, 'rent')).text, (await listed(id)).state],
      [rent.receipt, 'open']
    )
    assert.equal(await income(), 2_000n)
    const [first, second] = [
      await alice.api.requests.pay({ request: text }),
      await alice.api.requests.pay({ request: text })
    ]
    assert.deepEqual([first.already, second.already], [false, false])
    assert.equal(await income(), 4_000n)
    const single = await bob.api.requests.make({ amount: satoshi(1_000n) })
    assert.equal(
      await codeOfRejection(alice.api.requests.pay({ request: single.text, id: 'rent' })),
      'ERR_INVALID_PAYMENT_ID'
    )
  })

  it('without a channel say so, and that they are too small for a first payment (REQ-10)', async () => {
    const [small, large] = [
      await bob.api.requests.make({ amount: satoshi(5n) }),
      await bob.api.requests.make({ amount: satoshi(5_000n) })
    ]
    const [tooSmall, none] = [
      await errorOf(alice.api.requests.pay({ request: small.text })),
      await errorOf(alice.api.requests.pay({ request: large.text }))
    ]
    assert.deepEqual([tooSmall.code, none.code], ['ERR_NO_CHANNEL', 'ERR_NO_CHANNEL'])
    assert.match(tooSmall.message, /takes [\d,]+ sat at least as the first payment/)
    assert.doesNotMatch(none.message, /first payment/)
  })

  it('that this node cannot or must not pay are refused before anything is signed', async () => {
    await open(alice)
    const { privateKey } = await paychanIdentity({
      network: 'regtest',
      dataDir: fixture.path('bob')
    })
    const own = await alice.api.requests.make({ amount: satoshi(1_000n) })
    const now = Math.floor(Date.now() / 1_000)
    const cases: ReadonlyArray<readonly [string, string | Promise<string>]> = [
      ['ERR_INVALID_PEER', own.text],
      ['ERR_REQUEST_UNKNOWN', signed(privateKey, {})],
      ['ERR_REQUEST_NETWORK', signed(privateKey, { network: 'signet' })],
      ['ERR_REQUEST_EXPIRED', signed(privateKey, { made: now - 10, expires: now - 1 })],
      ['ERR_INVALID_PAYMENT_REQUEST', own.text.slice(0, -1)],
      ['ERR_INVALID_PAYMENT_REQUEST', 'bitcoin:?paychan=paychan1qq'],
      ['ERR_INVALID_PAYMENT_REQUEST', 'bitcoin:bcrt1qaddress']
    ]
    for (const [code, text] of cases) {
      const request = await text
      assert.equal(await codeOfRejection(alice.api.requests.pay({ request })), code, code)
    }
    assert.equal(await income(), 0n)
  })

  it('of a payee who is away are not paid', async () => {
    const { text } = await bob.api.requests.make({ amount: satoshi(1_000n) })
    await bob.api.stop()
    const error = await errorOf(alice.api.requests.pay({ request: text }))
    assert.deepEqual(
      [error.code, /Nothing was paid/.test(error.message)],
      ['ERR_PEER_UNREACHABLE', true]
    )
  })

  it('that expired while they were being paid are paid to the end', async () => {
    await open(alice)
    const { privateKey } = await paychanIdentity({
      network: 'regtest',
      dataDir: fixture.path('bob')
    })
    const { text, id } = await bob.api.requests.make({ amount: satoshi(1_000n) })
    await alice.api.requests.pay({ request: text })
    const now = Math.floor(Date.now() / 1_000)
    const late = await signed(privateKey, { id, made: now - 10, expires: now - 1 })
    assert.equal((await alice.api.requests.pay({ request: late })).already, true)
  })

  it('of a payee who has lost its data are refused', async () => {
    fixture.mayLackPayments()
    const { text } = await bob.api.requests.make({ amount: satoshi(1_000n) })
    await bob.api.stop()
    await rm(join(fixture.path('bob'), STORE_DIRECTORY), { recursive: true })
    bob = await fixture.node('bob', { listen: [listenOf(await readRequest(text))] })
    assert.equal(
      await codeOfRejection(alice.api.requests.pay({ request: text })),
      'ERR_REQUEST_UNKNOWN'
    )
  })

  it('live for a day unless their maker says otherwise', async () => {
    for (const [options, lifetime] of [
      [{}, 86_400_000],
      [{ reusable: true }, 86_400_000],
      [{ expiresIn: HOUR_S }, 1_000 * HOUR_S],
      [{ expiresIn: 'never' }, undefined]
    ] as const) {
      const { text, made, expires } = await bob.api.requests.make(options)
      assert.equal(expires, lifetime === undefined ? undefined : made + lifetime)
      assert.equal((await readRequest(text)).expires, expires)
    }
  })

  it('that cannot be made say why', async () => {
    for (const [code, options] of [
      ['ERR_INVALID_AMOUNT', { amount: satoshi(0n) }],
      ['ERR_INVALID_MEMO', { memo: 'two\nlines' }],
      ['ERR_INVALID_MEMO', { memo: '402:session' }],
      ['ERR_MEMO_TOO_LONG', { memo: 'a'.repeat(129) }],
      ['ERR_INVALID_EXPIRY', { expiresIn: 0 }],
      ['ERR_INVALID_EXPIRY', { expiresIn: 0.5 }],
      ['ERR_INVALID_EXPIRY', { expiresIn: 400_000_000 }]
    ] as const) {
      assert.equal(await codeOfRejection(bob.api.requests.make(options)), code)
    }
    assert.deepEqual(await bob.api.requests.list(), [])
  })

  it('a stranger is named by eight letters of its id at least: four are quickly found', async () => {
    await alice.api.peers.connect(await bob.address())
    assert.equal(
      await codeOfRejection(alice.api.peers.alias(toBob.slice(-7), 'bakery')),
      'ERR_INVALID_PEER'
    )
    assert.equal((await alice.api.peers.alias(toBob.slice(-8), 'bakery')).peerId, toBob)
    await open(alice)
    assert.equal((await alice.api.peers.alias(toBob.slice(-4), 'bakery')).peerId, toBob)
  })

  it('peers have names: to open, to pay, over restarts, until they are taken away', async () => {
    await alice.api.peers.connect(await bob.address())
    assert.deepEqual(await alice.api.peers.alias(toBob.slice(-8), 'bakery'), {
      name: 'bakery',
      peerId: toBob
    })
    const channel = await alice.api.channels.open({
      peer: 'bakery',
      amount: satoshi(50_000n),
      blocks: BLOCKS
    })
    assert.equal(channel.peerId, toBob)
    await alice.api.pay({ to: 'bakery', amount: satoshi(1_000n) })
    await alice.api.stop()
    alice = await fixture.node('alice')
    assert.deepEqual(await alice.api.peers.aliases(), [{ name: 'bakery', peerId: toBob }])
    await alice.api.pay({ to: 'bakery', amount: satoshi(1_000n) })
    assert.equal(
      (await alice.api.peers.list()).find(({ peerId }) => peerId === toBob)?.alias,
      'bakery'
    )
    await alice.api.peers.unalias('bakery')
    assert.equal(
      await codeOfRejection(alice.api.pay({ to: 'bakery', amount: satoshi(1_000n) })),
      'ERR_INVALID_PEER'
    )
    assert.equal(await codeOfRejection(alice.api.peers.unalias('bakery')), 'ERR_NO_ALIAS')
    for (const name of ['', 'UPPER', 'a b', 'deadbeef', 'x'.repeat(33), '-x', 'paychan1/x']) {
      assert.equal(
        await codeOfRejection(alice.api.peers.alias(toBob, name)),
        'ERR_INVALID_ALIAS',
        name
      )
    }
  })
})

async function signed(
  key: PrivateKey,
  changes: Partial<Unsigned<PaymentRequest>>
): Promise<string> {
  return await signRequest(
    {
      network: 'regtest',
      addresses: [],
      id: '0102030405060708',
      amount: 1_000n,
      memo: '',
      made: 1,
      expires: undefined,
      reusable: false,
      leastFirstPayment: 0n,
      ...changes
    },
    key
  )
}

/** The address to listen on again. */
function listenOf({ multiaddrs }: { readonly multiaddrs: readonly string[] }): string {
  return (multiaddrs[0] ?? '').replace(/\/p2p\/.*$/, '')
}
