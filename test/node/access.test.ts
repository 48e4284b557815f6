/** Tokens and their budgets, over time and over crashes. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Access, SPENT_PREFIX, TOKEN_PREFIX, type TokenOptions } from '../../src/node/access.js'
import { KeptAnswers } from '../../src/node/kept-answers.js'
import { openSimStore } from '../../src/testing/disk.js'
import { ERROR_CODES } from '../../src/types/error-codes.js'
import { codeOf, PaychanError } from '../../src/types/errors.js'
import { satoshi } from '../../src/types/units.js'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const budget = { amount: satoshi(1_000n), per: 'day' } as const

class Fixture {
  store = openSimStore()
  time = 1_800_000_000_000
  #drawn = 0
  access = this.#make()
  answers = new KeptAnswers(this.store, { now: () => this.time })
  readonly damaged: string[] = []

  #make(): Access {
    const random = {
      bytes: (length: number) => new Uint8Array(length).fill(++this.#drawn)
    }
    return new Access(this.store, { now: () => this.time }, random)
  }

  /** As after a crash: what was committed is there, and nothing else. */
  async restart(): Promise<void> {
    this.store = openSimStore(this.store.disk.snapshot())
    this.access = this.#make()
    this.answers = new KeptAnswers(this.store, { now: () => this.time })
    for (const part of [this.access, this.answers]) {
      await part.load((error) => this.damaged.push(codeOf(error)))
    }
  }

  async token(options: Partial<TokenOptions> = {}): Promise<{ id: string; token: string }> {
    return await this.access.make({ name: 'shop', scopes: ['pay'], budget, ...options })
  }

  async reserve(id: string, payment: string, amount: bigint): Promise<string> {
    return await codeFrom(this.access.reserve(id, payment, satoshi(amount)))
  }

  async spent(): Promise<bigint | undefined> {
    return (await this.access.list())[0]?.spent
  }
}

async function codeFrom(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'none',
    (error: unknown) => codeOf(error)
  )
}

describe('node / access', () => {
  it('keeps the hash of a token, and never the token', async () => {
    const world = new Fixture()
    const { token } = await world.token()
    const [, , secret = ''] = token.split('_')
    for await (const [, value] of world.store.entries('')) {
      assert.ok(!Buffer.from(value).toString('latin1').includes(secret))
    }
    assert.ok(!JSON.stringify(await world.access.list(), text).includes(secret))
    await world.restart()
    assert.deepEqual(world.access.admit(token).scopes, ['pay'])
  })

  it('lends a token for this run of the node, which no disk has and no start finds again', async () => {
    const world = new Fixture()
    const { id, token } = world.access.lend({ name: 'the dashboard', scopes: ['manage'] })
    assert.deepEqual(world.access.admit(token).scopes, ['manage'])
    assert.deepEqual(
      (await world.access.list()).map(({ name }) => name),
      ['the dashboard']
    )
    for await (const [key] of world.store.entries('')) assert.fail(`${key} is on the disk`)
    await world.restart()
    assert.throws(() => world.access.admit(token), { code: 'ERR_TOKEN_INVALID' })
    assert.deepEqual(await world.access.list(), [])
    const other = world.access.lend({ name: 'the dashboard', scopes: ['manage'] })
    assert.notEqual(other.id, id)
    await world.access.revoke(other.id)
    assert.throws(() => world.access.admit(other.token), { code: 'ERR_TOKEN_INVALID' })
  })

  it('refuses names, scopes, budgets and times that make no sense', async () => {
    const world = new Fixture()
    const wrong: ReadonlyArray<Partial<TokenOptions>> = [
      { name: '' },
      { name: 'x'.repeat(65) },
      { name: 'two\nlines' },
      { scopes: [] },
      { scopes: ['pay', 'manage'] },
      { scopes: ['read'] },
      { budget: { amount: satoshi(0n), per: 'day' } },
      { expiresIn: 0 },
      { expiresIn: Number.NaN },
      { expiresIn: 10 * 365 * 86_400 + 1 }
    ]
    for (const options of wrong) {
      const code = await codeFrom(world.token(options))
      assert.equal(code, 'ERR_INVALID_TOKEN_REQUEST', JSON.stringify(options, text))
    }
    assert.deepEqual(await world.access.list(), [])
  })

  it('ends with its time, to the millisecond', async () => {
    const world = new Fixture()
    const { token } = await world.token({ expiresIn: 60 })
    world.time += 60_000
    assert.equal(world.access.admit(token).hasBudget, true)
    world.time += 1
    assert.throws(() => world.access.admit(token), { code: 'ERR_TOKEN_EXPIRED' })
  })

  it('counts what was paid within the span that ends now', async () => {
    const world = new Fixture()
    const { id } = await world.token()
    assert.equal(await world.reserve(id, 'a', 600n), 'none')
    await world.access.settle(id, 'a', true)
    world.time += DAY - 1
    assert.equal(await world.reserve(id, 'b', 401n), 'ERR_BUDGET_USED_UP')
    assert.equal(await world.reserve(id, 'b', 400n), 'none')
    await world.access.settle(id, 'b', true)
    world.time += 1
    assert.equal(await world.spent(), 400n)
    assert.equal(await world.reserve(id, 'c', 601n), 'ERR_BUDGET_USED_UP')
    assert.equal(await world.reserve(id, 'c', 600n), 'none')
  })

  it('counts a payment that took long from its end on, also after a restart', async () => {
    const world = new Fixture()
    const { id } = await world.token()
    assert.equal(await world.reserve(id, 'a', 600n), 'none')
    world.time += 25 * 60_000
    await world.access.settle(id, 'a', true)
    world.time += DAY - 1
    await world.restart()
    assert.equal(await world.reserve(id, 'b', 401n), 'ERR_BUDGET_USED_UP')
    world.time += 1
    assert.equal(await world.reserve(id, 'b', 401n), 'none')
  })

  it('counts one of which a part was missing, and which took long, from its end on as well', async () => {
    const world = new Fixture()
    const { id } = await world.token()
    assert.equal(await world.reserve(id, 'a', 600n), 'none')
    await world.access.settle(id, 'a', true)
    world.time += 60_000
    assert.equal(await world.reserve(id, 'a', 600n), 'none')
    world.time += 25 * 60_000
    await world.access.settle(id, 'a', true)
    for (let again = 0; again < 2; again++) {
      world.time += again === 0 ? DAY - 1 : 0
      assert.equal(await world.reserve(id, 'b', 401n), 'ERR_BUDGET_USED_UP')
      await world.restart()
    }
    world.time += 1
    assert.equal(await world.reserve(id, 'b', 401n), 'none')
  })

  it('counts a payment of which a part was missing from the time at which that is paid', async () => {
    const world = new Fixture()
    const { id } = await world.token()
    assert.equal(await world.reserve(id, 'a', 1_000n), 'none')
    await world.access.settle(id, 'a', true)
    world.time += DAY - 1
    // Asked for again, and found paid: it counts as before.
    assert.equal(await world.reserve(id, 'a', 1_000n), 'none')
    await world.access.settle(id, 'a', false)
    assert.equal(await world.reserve(id, 'b', 1n), 'ERR_BUDGET_USED_UP')
    assert.equal(await world.reserve(id, 'a', 1_000n), 'none')
    await world.access.settle(id, 'a', true)
    for (let again = 0; again < 2; again++) {
      world.time += again === 0 ? DAY - 1 : 0
      assert.equal(await world.spent(), 1_000n)
      assert.equal(await world.reserve(id, 'b', 1n), 'ERR_BUDGET_USED_UP')
      await world.restart()
    }
    world.time += 1
    assert.equal(await world.reserve(id, 'b', 1_000n), 'none')
  })

  it('holds in all over thousands of payments, and keeps few of them apart', async () => {
    const world = new Fixture()
    const { id } = await world.token({ budget: { amount: satoshi(10_100n), per: 'total' } })
    for (let n = 0; n < 10_100; n++) {
      world.time += 1
      await world.access.reserve(id, `${n}`, satoshi(1n))
      await world.access.settle(id, `${n}`, true)
    }
    for (let again = 0; again < 2; again++) {
      assert.equal(await world.reserve(id, 'more', 1n), 'ERR_BUDGET_USED_UP')
      assert.equal(await world.spent(), 10_100n)
      await world.restart()
    }
    let kept = 0
    for await (const [key] of world.store.entries(SPENT_PREFIX)) kept += key === '' ? 0 : 1
    assert.ok(kept < 6_000, `${kept} are kept`)
  }).timeout(30_000)

  it('takes a budget for used up whose record is damaged', async () => {
    const world = new Fixture()
    const { id, token } = await world.token()
    await world.reserve(id, 'a', 1n)
    for await (const [key] of world.store.entries(SPENT_PREFIX)) {
      await world.store.commit([{ key, value: Uint8Array.of(1, 2, 3) }])
    }
    await world.restart()
    assert.deepEqual(world.damaged, ['ERR_STORE_CORRUPT'])
    assert.equal(await world.reserve(id, 'b', 1n), 'ERR_BUDGET_USED_UP')
    for await (const [key] of world.store.entries(TOKEN_PREFIX)) {
      await world.store.commit([{ key, value: Uint8Array.of(1, 2, 3) }])
    }
    await world.restart()
    assert.throws(() => world.access.admit(token), { code: 'ERR_TOKEN_INVALID' })
  })

  it('never lets more be paid than the budget, whatever fails and whenever it crashes', async () => {
    const moves = fc.array(
      fc.oneof(
        fc.record({
          do: fc.constant('begin' as const),
          payment: fc.nat({ max: 4 }),
          // Few, so that some are asked for again.
          amount: fc.constantFrom(1, 300, 500, 700)
        }),
        fc.record({
          do: fc.constantFrom('paid' as const, 'half' as const, 'refused' as const),
          call: fc.nat()
        }),
        fc.record({ do: fc.constant('crash' as const) }),
        fc.record({ do: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 30 }) })
      ),
      { maxLength: 40 }
    )
    await fc.assert(
      fc.asyncProperty(moves, async (script) => {
        const world = new Fixture()
        const { id } = await world.token()
        let calls: Array<{ readonly payment: string; readonly amount: bigint }> = []
        /** Under one name it is paid once, in one part or several, as a node does it. */
        const parts: Array<{
          readonly payment: string
          readonly amount: bigint
          readonly at: number
        }> = []
        /** Returns true unless it was paid before. */
        const pay = ({ payment, amount }: (typeof calls)[number], isHalf = false): boolean => {
          const left = parts
            .filter((part) => part.payment === payment)
            .reduce((rest, part) => rest - part.amount, amount)
          const now = isHalf ? left / 2n : left
          if (now > 0n) parts.push({ payment, amount: now, at: world.time })
          return left > 0n
        }
        for (const move of script) {
          if (move.do === 'begin') {
            const payment = `${move.payment} ${move.amount}`
            const amount = BigInt(move.amount)
            if ((await world.reserve(id, payment, amount)) === 'none') {
              calls.push({ payment, amount })
            }
          } else if (move.do === 'crash') {
            // A payment that was under way may have left.
            for (const call of calls) pay(call)
            calls = []
            await world.restart()
          } else if (move.do === 'wait') {
            // Calls do not last for hours.
            for (const { payment } of calls) await world.access.settle(id, payment, false)
            calls = []
            world.time += move.hours * HOUR
          } else {
            const call = calls[move.call % Math.max(1, calls.length)]
            if (call === undefined) continue
            calls = calls.filter((each) => each !== call)
            const isPaid = move.do !== 'refused' && pay(call, move.do === 'half')
            await world.access.settle(id, call.payment, isPaid)
          }
          const within = parts.filter(({ at }) => at > world.time - DAY)
          const sum = within.reduce((all, { amount }) => all + amount, 0n)
          assert.ok(sum <= budget.amount, `${sum} sat were paid within a day`)
        }
      }),
      { numRuns: 200 }
    )
  })
})

describe('node / answers that are kept', () => {
  it('keeps no secret, and says so to whoever asks for it again', async () => {
    const world = new Fixture()
    const ask = async (): Promise<string> =>
      await world.answers.once('me', 'a', 'token', async () => 'pc1-secret', true)
    assert.equal(await ask(), 'pc1-secret')
    for await (const [, value] of world.store.entries('')) {
      assert.doesNotMatch(Buffer.from(value).toString('latin1'), /pc1-secret/)
    }
    for (const restart of [false, true]) {
      if (restart) await world.restart()
      await assert.rejects(ask(), { code: 'ERR_IDEMPOTENCY_UNKNOWN', message: /a secret/ })
    }
  })

  it('does not do again, after a crash, what may have been done', async () => {
    const world = new Fixture()
    const hung = world.answers.once('me', 'a', 'open', () => new Promise(() => {}))
    hung.catch(() => {})
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
    await world.restart()
    const again = world.answers.once('me', 'a', 'open', async () => 'done')
    assert.equal(await codeFrom(again), 'ERR_IDEMPOTENCY_UNKNOWN')
    assert.equal(await world.answers.once('me', 'b', 'open', async () => 'done'), 'done')
    await world.restart()
    assert.equal(await world.answers.once('me', 'b', 'open', async () => 'twice'), 'done')
  })

  it('lets callers at the same time share one', async () => {
    const world = new Fixture()
    let done = 0
    const run = async (): Promise<string> => `${++done}`
    const both = [1, 2].map(async () => await world.answers.once('me', 'a', 'open', run))
    assert.deepEqual(await Promise.all(both), ['1', '1'])
  })

  it('does again only what proves by its code that nothing was done', async () => {
    const world = new Fixture()
    const again: string[] = []
    for (const code of [...Object.keys(ERROR_CODES), 'ERR_OF_ANOTHER_RELEASE']) {
      const ask = async (answer: () => Promise<string>): Promise<string> =>
        await codeFrom(world.answers.once('me', code, 'send', answer))
      const failing = async (): Promise<string> => {
        throw PaychanError.of(code, 'No.')
      }
      assert.equal(await ask(failing), code)
      const second = await ask(async () => 'done')
      if (second === 'none') again.push(code)
      else assert.equal(second, 'ERR_IDEMPOTENCY_UNKNOWN', code)
    }
    for (const code of ['ERR_INVALID_AMOUNT', 'ERR_NO_CHANNEL', 'ERR_PEER_UNREACHABLE']) {
      assert.ok(again.includes(code), code)
    }
    // Each of them comes when something was sent, kept or signed, or may come then.
    for (const code of [
      'ERR_BROADCAST_REFUSED',
      'ERR_CANCEL_TOO_LATE',
      'ERR_FUNDING_NOT_TAKEN',
      'ERR_FUNDED_NOT_OPEN',
      'ERR_FUNDED_TOO_LATE',
      'ERR_OPEN_TIMEOUT',
      'ERR_CLOSE_TIMEOUT',
      'ERR_CHAIN_BUSY',
      'ERR_CHAIN_LIED',
      'ERR_ELECTRUM_REFUSED',
      'ERR_PAYMENT_UNKNOWN',
      'ERR_PAYMENT_PARTIAL',
      'ERR_STORE_FAILED',
      'ERR_NODE_STOPPED',
      'ERR_INTERNAL',
      'ERR_OF_ANOTHER_RELEASE'
    ]) {
      assert.ok(!again.includes(code), code)
    }
  })

  it('forgets none for others that come, and refuses a caller that has used too many', async () => {
    const world = new Fixture()
    const answers = new KeptAnswers(world.store, { now: () => world.time }, 3)
    const ask = async (caller: string, name: string, answer = 'done'): Promise<string> =>
      await answers.once(caller, name, 'send', async () => answer)
    await ask('boss', 'salary')
    for (const name of ['a', 'b', 'c']) await ask('weak', name)
    assert.equal(await codeFrom(ask('weak', 'd')), 'ERR_TOO_MANY_KEYS')
    assert.equal(await ask('weak', 'a', 'twice'), 'done')
    assert.equal(await ask('boss', 'salary', 'twice'), 'done')
    world.time += 7 * DAY
    assert.equal(await ask('weak', 'd'), 'done')
  })

  it('does not forget what is still under way', async () => {
    const world = new Fixture()
    let finish: (answer: string) => void = () => {}
    const first = world.answers.once(
      'me',
      'a',
      'open',
      async () =>
        await new Promise((resolve) => {
          finish = resolve
        })
    )
    world.time += 8 * DAY
    await world.answers.once('me', 'b', 'open', async () => 'other')
    finish('first')
    assert.equal(await first, 'first')
    await world.restart()
    assert.equal(await world.answers.once('me', 'a', 'open', async () => 'twice'), 'first')
  })

  it('forgets after a week, and what was refused at once', async () => {
    const world = new Fixture()
    await world.answers.once('me', 'a', 'open', async () => 'first')
    world.time += 7 * DAY + 1
    await world.answers.once('me', 'b', 'open', async () => 'x')
    assert.equal(await world.answers.once('me', 'a', 'open', async () => 'second'), 'second')
    const refused = world.answers.once('me', 'c', 'open', async () => {
      throw new PaychanError('ERR_PEER_UNREACHABLE', 'No.')
    })
    assert.equal(await codeFrom(refused), 'ERR_PEER_UNREACHABLE')
    assert.equal(await world.answers.once('me', 'c', 'open', async () => 'third'), 'third')
  })
})

function text(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}
