/** The books of a server that sells by the unit: nothing is sold twice, nothing unpaid. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Credit, Sessions, SpentNumbers } from '../../src/metering/sessions.js'
import { satoshi } from '../../src/types/units.js'

const PRICE = satoshi(2n)

/** A payment over the one channel that most stories have. */
const payment = (id: string, amount: bigint, channel = 'c'): Credit => ({
  id,
  channel: channel as Credit['channel'],
  amount: satoshi(amount)
})

describe('metering / sessions', () => {
  it('a unit is taken once, and when it is paid', () => {
    const sessions = new Sessions()
    assert.deepEqual(sessions.take('a', 2n, PRICE), { kind: 'short', missing: 2n })
    sessions.credit('a', payment('p1', 3n), 0, 0)
    assert.deepEqual(sessions.take('a', 2n, PRICE), { kind: 'taken' })
    assert.deepEqual(sessions.take('a', 2n, PRICE), { kind: 'spent already' })
    assert.deepEqual(sessions.take('a', 4n, PRICE), { kind: 'short', missing: 1n })
    assert.deepEqual(sessions.take('b', 4n, PRICE), { kind: 'short', missing: 2n }, 'its own')
    assert.deepEqual(sessions.standing('a'), { paid: 3n, spent: 2n, units: 1 })
  })

  it('a payment counts once however often it is told, and is known as long as it can be told', () => {
    const sessions = new Sessions()
    for (const now of [0, 10]) sessions.credit('a', payment('p1', 5n), now, 0)
    sessions.credit('a', payment('p2', 1n), 20, 0)
    sessions.credit('a', payment('p1', 5n), 3_600_000, 0)
    assert.equal(sessions.standing('a').paid, 6n)
    sessions.credit('a', payment('p1', 5n), 3_600_000, 1)
    assert.equal(sessions.standing('a').paid, 11n, 'whoever says that nobody tells it is believed')
    sessions.credit('a', payment('p2', 1n), 3_600_000, 1)
    assert.equal(sessions.standing('a').paid, 11n)
  })

  it('a payment counts though another payer has paid under its id, on a channel of its own (UPD-21)', () => {
    const sessions = new Sessions()
    sessions.credit('of a thief', payment('p1', 1n, 'd'), 0, 0)
    sessions.credit('a', payment('p1', 5n, 'c'), 0, 0)
    assert.equal(sessions.standing('a').paid, 5n)
  })

  it('a unit that could not be delivered costs nothing, and its number stays used', () => {
    const sessions = new Sessions()
    sessions.credit('a', payment('p1', PRICE), 0, 0)
    sessions.take('a', 2n, PRICE)
    sessions.giveBack('a', PRICE)
    assert.deepEqual(sessions.take('a', 2n, PRICE), { kind: 'spent already' })
    assert.deepEqual(sessions.take('a', 4n, PRICE), { kind: 'taken' })
    sessions.giveBack('unknown', PRICE)
    assert.deepEqual(sessions.standing('unknown'), { paid: 0n, spent: 0n, units: 0 })
  })

  it('what is trusted is spent first, and the first payment has to pay for it', () => {
    const sessions = new Sessions()
    sessions.trust('a', 4n, 0)
    assert.deepEqual(
      [2n, 4n].map((number) => sessions.take('a', number, PRICE).kind),
      ['taken', 'taken']
    )
    assert.deepEqual(sessions.take('a', 6n, PRICE), { kind: 'short', missing: 6n })
    sessions.credit('a', payment('p1', PRICE), 0, 0)
    assert.deepEqual(sessions.take('a', 6n, PRICE), { kind: 'short', missing: 4n })
    sessions.credit('a', payment('p2', 4n), 0, 0)
    assert.deepEqual(sessions.take('a', 6n, PRICE), { kind: 'taken' })
  })

  it('the session that was used longest ago goes first, and a spent number never comes back', () => {
    const sessions = new Sessions({ most: 2 })
    let count = 0
    for (const id of ['a', 'b', 'a', 'c']) {
      sessions.credit(id, payment(`${id}${count++}`, PRICE), 0, 0)
    }
    assert.deepEqual(
      ['a', 'b', 'c'].map((id) => sessions.standing(id).paid),
      [4n, 0n, 2n]
    )
    const many = new Sessions()
    many.credit('a', payment('p', 100_000n), 0, 0)
    for (let n = 1n; n <= 5_000n; n++) many.take('a', n, satoshi(1n))
    assert.deepEqual(many.take('a', 1n, satoshi(1n)), { kind: 'spent already' })
    assert.deepEqual(many.take('a', 5_000n, satoshi(1n)), { kind: 'spent already' })
    assert.deepEqual(many.take('a', 5_001n, satoshi(1n)), { kind: 'taken' })
  })

  it('a session that had to be forgotten is over: its payments do not buy its units again', () => {
    const sessions = new Sessions({ most: 1 })
    const unit = { ends: 1_000 }
    sessions.credit('a', payment('p1', 4n), 0, 0)
    assert.deepEqual(sessions.take('a', 2n, PRICE, unit), { kind: 'taken' })
    sessions.credit('b', payment('p2', PRICE), 0, 0)
    assert.deepEqual([sessions.takeGone(), sessions.takeGone()], [['a'], []])
    assert.deepEqual(sessions.take('a', 2n, PRICE, unit), { kind: 'over' })
    const { forgottenUpTo } = sessions
    const later = new Sessions({ forgottenUpTo })
    assert.deepEqual(later.take('a', 2n, PRICE, unit), { kind: 'over' })
    assert.deepEqual(later.take('c', 2n, PRICE, { ends: 1_001 }), { kind: 'short', missing: 2n })
  })

  it('a session in which nothing is left is forgotten before one that was paid ahead', () => {
    const sessions = new Sessions({ most: 2 })
    sessions.credit('ahead', payment('p1', 9n), 0, 0)
    sessions.credit('used up', payment('p2', PRICE), 0, 0)
    sessions.take('used up', 2n, PRICE)
    sessions.credit('c', payment('p3', PRICE), 0, 0)
    assert.deepEqual(sessions.takeGone(), ['used up'])
    sessions.take('c', 2n, PRICE)
    sessions.giveBack('c', PRICE)
    sessions.credit('d', payment('p4', PRICE), 0, 0)
    assert.deepEqual(sessions.takeGone(), ['ahead'], 'what was given back is left in c')
  })

  it('a session that was forgotten is not credited again for what it has spent', () => {
    const sessions = new Sessions({ most: 1 })
    const first = payment('p1', PRICE)
    sessions.credit('a', first, 0, 0)
    sessions.take('a', 2n, PRICE)
    sessions.credit('b', payment('p2', PRICE), 0, 0)
    sessions.credit('a', first, 1, 0)
    assert.deepEqual(sessions.take('a', 4n, PRICE), { kind: 'short', missing: PRICE })
  })

  it('a session of which nothing was spent when it was forgotten has its payment when it is told again', () => {
    const sessions = new Sessions({ most: 1 })
    const first = payment('p1', PRICE)
    sessions.credit('a', first, 0, 0)
    sessions.credit('b', payment('p2', PRICE), 0, 0)
    for (const now of [1, 2]) sessions.credit('a', first, now, 0)
    assert.equal(sessions.standing('a').paid, PRICE)
  })

  it('what is given back to a session that was forgotten and paid anew is not given', () => {
    const sessions = new Sessions({ most: 1 })
    sessions.credit('a', payment('p1', PRICE), 0, 0)
    sessions.take('a', 2n, PRICE)
    sessions.credit('b', payment('p2', PRICE), 0, 0)
    sessions.credit('a', payment('p3', PRICE), 0, 0)
    sessions.giveBack('a', PRICE)
    assert.deepEqual(sessions.standing('a'), { paid: PRICE, spent: 0n, units: 0 })
  })

  it('whoever asks without a payment makes no session, and pushes none out', () => {
    const sessions = new Sessions({ most: 1 })
    sessions.credit('a', payment('p1', PRICE), 0, 0)
    for (const id of ['b', 'c', 'd']) sessions.take(id, 2n, PRICE, { ends: 1_000 })
    assert.deepEqual(sessions.take('a', 2n, PRICE), { kind: 'taken' })
  })

  it('sessions that are over are struck out, as new ones come', () => {
    const sessions = new Sessions()
    for (const id of ['a', 'b']) sessions.credit(id, payment(id, PRICE), 0, 0)
    sessions.take('a', 2n, PRICE, { ends: 10 })
    sessions.take('b', 2n, PRICE, { ends: 5_000 })
    for (let n = 0; n < 1_000; n++) sessions.credit(`${n}`, payment(`${n}`, PRICE), n, 0)
    assert.deepEqual(sessions.takeGone(), ['a'])
    assert.equal(sessions.forgottenUpTo, 0, 'none was forgotten before its end')
  })

  it('in any order of payments, units and faults no more is spent than was paid', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('pay' as const), id: fc.nat(20), amount: fc.bigInt(1n, 9n) }),
      fc.record({ kind: fc.constant('take' as const), number: fc.bigInt(1n, 30n) })
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const sessions = new Sessions()
        const paid = new Map<number, bigint>()
        const taken: bigint[] = []
        for (const each of steps) {
          if (each.kind === 'pay') {
            sessions.credit('a', payment(`${each.id}`, each.amount), 0, 0)
            if (!paid.has(each.id)) paid.set(each.id, each.amount)
          } else if (sessions.take('a', each.number, PRICE).kind === 'taken') {
            taken.push(each.number)
          }
        }
        const sum = [...paid.values()].reduce((a, b) => a + b, 0n)
        assert.ok(BigInt(taken.length) * PRICE <= sum)
        assert.equal(new Set(taken).size, taken.length)
      })
    )
  })

  it('without an end are counted exactly after a crash, whatever was missed or told late', () => {
    const step = fc.record({
      channel: fc.constantFrom('c', 'd'),
      amount: fc.bigInt(1n, 9n),
      isMissed: fc.boolean(),
      /** What was missed so far is looked for. */
      looks: fc.boolean(),
      isRecorded: fc.boolean(),
      crashes: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let sessions = new Sessions({ areEndless: true })
        let record: ReturnType<Sessions['takeRecords']> = []
        const log: Credit[] = []
        let sum = 0n
        for (const [
          at,
          { channel, amount, isMissed, looks, isRecorded, crashes }
        ] of steps.entries()) {
          log.push(payment(`${at}`, amount, channel))
          sum += amount
          if (!isMissed) sessions.credit('a', payment(`${at}`, amount, channel), 0, 0)
          if (looks) for (const each of log) sessions.credit('a', each, 0, 0)
          if (isRecorded && looks) record = sessions.takeRecords('a', 0)
          if (!crashes) continue
          sessions = new Sessions({ areEndless: true, records: record })
          // One more is told while the list of all is on its way.
          const late = payment(`late ${at}`, amount, channel)
          log.push(late)
          sum += amount
          sessions.credit('a', late, 0, 0)
          sessions.creditUnheard('a', log, 0, 0)
          assert.equal(sessions.standing('a').paid, sum)
        }
      })
    )
  })
})

/* The numbers of units that are spent: none is spent twice, and few runs say which they are. */

describe('metering / spent numbers', () => {
  it('are one floor as long as they come in their order, and as often as they overtake each other, runs', () => {
    const numbers = new SpentNumbers()
    for (let n = 2n; n <= 2_000n; n += 2n) numbers.add(n, 2n)
    assert.deepEqual([numbers.floor, numbers.runs], [2_000n, []])
    for (const n of [2_006n, 2_004n, 2_010n]) numbers.add(n, 2n)
    assert.deepEqual(numbers.runs, [
      [2_004n, 2_006n],
      [2_010n, 2_010n]
    ])
    numbers.add(2_008n, 2n)
    assert.deepEqual(numbers.runs, [[2_004n, 2_010n]])
    numbers.add(2_002n, 2n)
    assert.deepEqual([numbers.floor, numbers.runs], [2_010n, []])
  })

  it('are those that were added, in any order, also when they are read again', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.bigInt(1n, 60n), { maxLength: 60 }),
        fc.bigInt(1n, 5n),
        (order, step) => {
          const added = new Set<bigint>()
          let numbers = new SpentNumbers()
          for (const each of order) {
            assert.equal(numbers.has(each * step), added.has(each))
            numbers.add(each * step, step)
            added.add(each)
            numbers = new SpentNumbers(numbers.floor, numbers.runs)
            for (let n = 1n; n <= 60n; n++) assert.equal(numbers.has(n * step), added.has(n))
          }
        }
      )
    )
  })

  it('with more gaps than are kept lose the lowest one: what lies in it is taken no more', () => {
    const numbers = new SpentNumbers()
    for (let n = 2n; n <= 600n; n += 2n) numbers.add(n, 1n)
    assert.equal(numbers.runs.length, 256)
    for (let n = 2n; n <= 600n; n += 2n) assert.equal(numbers.has(n), true)
    assert.deepEqual([numbers.has(87n), numbers.has(89n)], [true, false])
  })
})
