/** What is paid ahead of its use: one payment at a time, and as far as the budget goes. */
import assert from 'node:assert/strict'
import { Prepaid, Purse, type PayerNode } from '../../src/metering/purse.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'
import { codeOfRejection } from '../node/fixture.js'

const PRICE = satoshi(2n)
const bill = { session: 'a session', payee: 'its payee', multiaddrs: [], name: 'a shop' }

/** A node whose payments end when the test says so. */
class SlowNode {
  readonly amounts: bigint[] = []
  readonly #under: Array<{ end: () => void; fail: (code: string) => void }> = []

  readonly node: PayerNode = {
    pay: async ({ amount }) => {
      this.amounts.push(BigInt(amount))
      await new Promise<void>((resolve, reject) => {
        this.#under.push({
          end: resolve,
          fail: (code) => {
            reject(PaychanError.of(code, 'It cannot be paid.', {}))
          }
        })
      })
      return undefined as never
    },
    info: async () => await Promise.reject(new Error('not asked for')),
    channels: { open: async () => await Promise.reject(new Error('not asked for')) }
  }

  /**
   * The payment that is under way turns out well, or with an error; then what it lets go on does.
   */
  async settle(code?: string): Promise<void> {
    const payment = this.#under.shift()
    assert.ok(payment, 'a payment is under way')
    if (code === undefined) payment.end()
    else payment.fail(code)
    await turn()
  }
}

const turn = async (): Promise<void> => {
  await new Promise((resolve) => setImmediate(resolve))
}

/** A node that has a channel, whose payee wants so much first, or none. */
function beginner(least: bigint, hasChannel: boolean): { node: PayerNode; done: string[] } {
  const done: string[] = []
  let isOpen = hasChannel
  const node = {
    info: async () => ({ leastFirstPayment: satoshi(450n) }),
    pay: async ({ amount }: { amount: bigint }) => {
      if (!isOpen) throw new PaychanError('ERR_NO_CHANNEL', 'There is none.')
      if (amount < least) {
        throw new PaychanError('ERR_BELOW_MIN_FIRST_PAYMENT', 'It is too little.', { least })
      }
      done.push(`pay ${amount}`)
    },
    channels: {
      open: async () => {
        isOpen = true
        done.push('open')
      }
    }
  } as unknown as PayerNode
  return { node, done }
}

describe('metering / the first payment on a channel (HTTP-17)', () => {
  const pay = async (
    least: bigint,
    hasChannel: boolean,
    options: { leastFirst?: bigint; mostFirstPayment?: bigint } = {}
  ): Promise<string[]> => {
    const { node, done } = beginner(least, hasChannel)
    const { leastFirst = 0n, mostFirstPayment } = options
    const purse = new Purse({
      ...{ node, budget: satoshi(80_000n), open: { amount: satoshi(100_000n) } },
      ...(mostFirstPayment === undefined ? {} : { mostFirstPayment: satoshi(mostFirstPayment) })
    })
    const multiaddrs = [`/ip4/127.0.0.1/tcp/1/p2p/${bill.payee}`]
    const asked = { ...bill, multiaddrs, leastFirst: satoshi(leastFirst) }
    await purse.pay(asked, PRICE, () => {}).catch((error: unknown) => done.push(codeOf(error)))
    return done
  }

  it('is as much as the payee asks for, up to four times what the payer itself would ask for', async () => {
    assert.deepEqual(await pay(1_800n, true), ['pay 1800'])
    assert.deepEqual(await pay(1_801n, true), ['ERR_FIRST_PAYMENT_TOO_HIGH'])
  })

  it('is more where the user allows that, within the budget', async () => {
    assert.deepEqual(await pay(70_000n, true, { mostFirstPayment: 70_000n }), ['pay 70000'])
    assert.deepEqual(await pay(80_001n, true, { mostFirstPayment: 90_000n }), [
      'ERR_BUDGET_USED_UP'
    ])
  })

  it('is refused before a channel is opened where the payee names it in its offer', async () => {
    assert.deepEqual(await pay(1_801n, false, { leastFirst: 1_801n }), [
      'ERR_FIRST_PAYMENT_TOO_HIGH'
    ])
    assert.deepEqual(await pay(1_800n, false, { leastFirst: 1_800n }), ['open', 'pay 1800'])
  })

  it('is refused where the payee names it on the channel alone', async () => {
    assert.deepEqual(await pay(80_000n, false), ['open', 'ERR_FIRST_PAYMENT_TOO_HIGH'])
  })
})

describe('metering / a channel that opens by itself (HTTP-18)', () => {
  const FEE = 5_000n

  /** Opens when the funding transaction may cost what it costs today. */
  async function opened(
    open: { amount: bigint; mostFee?: bigint },
    tries = 1
  ): Promise<{ readonly done: readonly string[]; readonly error: unknown }> {
    const { node, done } = beginner(0n, false)
    const open_ = node.channels.open
    const dear: PayerNode = {
      ...node,
      channels: {
        open: async (request) => {
          const { mostFee = request.amount } = request
          done.push(`at most ${mostFee}`)
          if (FEE > mostFee) {
            throw new PaychanError('ERR_FEE_TOO_HIGH', 'It is dear.', { fee: FEE, amount: mostFee })
          }
          return await open_(request)
        }
      }
    }
    const { amount, mostFee } = open
    const purse = new Purse({
      ...{ node: dear, budget: satoshi(2_000n) },
      open: {
        amount: satoshi(amount),
        ...(mostFee === undefined ? {} : { mostFee: satoshi(mostFee) })
      }
    })
    const multiaddrs = [`/ip4/127.0.0.1/tcp/1/p2p/${bill.payee}`]
    let error: unknown
    for (let n = 0; n < tries; n++) {
      error = await purse.pay({ ...bill, multiaddrs }, PRICE, () => {}).catch((e: unknown) => e)
    }
    return { done, error }
  }

  it('costs a twentieth of its amount at the most, and says how to allow more', async () => {
    const { done, error } = await opened({ amount: 99_999n })
    assert.deepEqual(done, ['at most 4999'])
    assert.equal(codeOf(error), 'ERR_FEE_TOO_HIGH')
    assert.match(String(error), /would cost 5,000 sat, more than the 4,999 sat.*--most-open-fee/)
    assert.deepEqual((await opened({ amount: 100_000n })).done, ['at most 5000', 'open', 'pay 2'])
  })

  it('costs what the user allows', async () => {
    const { done } = await opened({ amount: 50_000n, mostFee: 5_000n })
    assert.deepEqual(done, ['at most 5000', 'open', 'pay 2'])
  })

  it('is tried again with the next bill: nothing was opened', async () => {
    const { done } = await opened({ amount: 50_000n }, 2)
    assert.deepEqual(done, ['at most 2500', 'at most 2500'])
  })
})

describe('metering / what is prepaid', () => {
  let slow: SlowNode
  let purse: Purse
  let prepaid: Prepaid

  function start(budget: bigint, left = 0n): void {
    slow = new SlowNode()
    purse = new Purse({ node: slow.node, budget: satoshi(budget) })
    prepaid = new Prepaid(purse, bill, { paid: left, taken: 0n })
  }
  const takes = (count: number): Array<Promise<string>> =>
    Array.from(
      { length: count },
      async () =>
        await prepaid.take(PRICE).then(
          () => 'taken',
          (error: unknown) => codeOf(error)
        )
    )

  it('is paid by one payment at a time: those who come meanwhile are paid together by the next', async () => {
    start(100n)
    const first = takes(1)
    await turn()
    const others = takes(3)
    await slow.settle()
    assert.deepEqual(await Promise.all(first), ['taken'])
    await slow.settle()
    assert.deepEqual(await Promise.all(others), ['taken', 'taken', 'taken'])
    assert.deepEqual([slow.amounts, prepaid.paid, prepaid.taken], [[2n, 6n], 8n, 8n])
  })

  it('is taken without a payment as long as some is left', async () => {
    start(100n, 5n)
    assert.deepEqual(await Promise.all(takes(2)), ['taken', 'taken'])
    const [third] = takes(1)
    await turn()
    await slow.settle()
    assert.deepEqual([await third, slow.amounts], ['taken', [1n]])
  })

  it('at the edge of the budget goes to as many as it is enough for, in the order in which they came', async () => {
    start(5n)
    const all = takes(4)
    await turn()
    await slow.settle()
    await slow.settle()
    assert.deepEqual(await Promise.all(all), [
      'taken',
      'taken',
      'ERR_BUDGET_USED_UP',
      'ERR_BUDGET_USED_UP'
    ])
    assert.deepEqual([slow.amounts, purse.left, prepaid.taken], [[2n, 2n], 1n, 4n])
  })

  it('that could not be paid is not taken, and the next one pays for itself alone', async () => {
    start(100n)
    const [first, second] = takes(2)
    await turn()
    await slow.settle('ERR_PEER_UNREACHABLE')
    await slow.settle()
    assert.deepEqual([await first, await second], ['ERR_PEER_UNREACHABLE', 'taken'])
    assert.deepEqual([slow.amounts, purse.paid, prepaid.paid], [[4n, 2n], 2n, 2n])
  })

  for (const code of [
    'ERR_PAYMENT_UNKNOWN',
    'ERR_PAYMENT_PARTIAL',
    'ERR_API_FAILED',
    'ERR_OF_THE_PEER'
  ]) {
    it(`whose payment may be signed counts as paid: it is not paid again (${code})`, async () => {
      start(100n)
      const [first, second] = takes(2)
      await turn()
      await slow.settle(code)
      assert.deepEqual([await first, await second], [code, 'taken'])
      assert.deepEqual([slow.amounts, purse.paid, prepaid.paid, prepaid.taken], [[4n], 4n, 4n, 2n])
    })
  }

  it('that is given back is left for another', async () => {
    start(2n)
    const [first] = takes(1)
    await turn()
    await slow.settle()
    assert.equal(await first, 'taken')
    assert.equal(await codeOfRejection(prepaid.take(PRICE)), 'ERR_BUDGET_USED_UP')
    prepaid.giveBack(PRICE)
    await prepaid.take(PRICE)
    assert.deepEqual(slow.amounts, [2n])
  })
})
