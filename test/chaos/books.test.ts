/** The judge of the drill: each kind of loss is found, and nothing where there is none. */
import assert from 'node:assert/strict'
import {
  checkChannels,
  checkConserved,
  checkPayments,
  type Listed,
  paidBetween,
  type Told
} from './callers.js'

const told = (outcome: Told['outcome'], memo = 'a', ids: readonly string[] = ['1']): Told => ({
  memo,
  from: 'alice',
  to: 'bob',
  amount: 10n,
  outcome,
  ids: outcome === 'acknowledged' ? ids : []
})
const listed = (id = '1', memo = 'a', amount = 10n): Listed => ({
  id,
  memo,
  amount,
  direction: 'received',
  with: 'alice'
})
const check = (all: readonly Told[], ...list: readonly Listed[]): string =>
  checkPayments(all, new Map([['bob', list]])).join('; ')

describe('the books of the drill', () => {
  it('are in order when what is acknowledged is listed once, what is refused is not, and what is unknown is or is not', () => {
    assert.equal(
      check(
        [told('acknowledged'), told('refused', 'b'), told('unknown', 'c'), told('unknown', 'd')],
        listed(),
        listed('3', 'c')
      ),
      ''
    )
    assert.equal(
      check([told('acknowledged', 'a', ['1', '2'])], listed('1', 'a', 4n), listed('2', 'a', 6n)),
      ''
    )
  })

  it('show what was acknowledged and is lost', () => {
    assert.match(
      check([told('acknowledged')]),
      /^LOST: a, 10 sat from alice to bob was acknowledged, and the payee lists 0 sat of it$/
    )
    assert.match(
      check([told('acknowledged', 'a', ['1', '2'])], listed('1', 'a', 4n)),
      /^LOST: .* lists 4 sat/
    )
  })

  it('show what was made twice, whatever was said of it', () => {
    for (const outcome of ['acknowledged', 'unknown', 'refused'] as const) {
      assert.match(
        check([told(outcome)], listed('1'), listed('2')),
        /^DOUBLE: .* was made 2 times, 20 sat/
      )
    }
    assert.match(
      check([told('acknowledged')], listed('1'), listed('1')),
      /lists payment 1 \(a\) twice/
    )
  })

  it('show what was refused and made, made in part, made under another id, and what nobody has asked for', () => {
    assert.match(check([told('refused')], listed()), /was refused, and the payee lists 10 sat/)
    assert.match(check([told('unknown')], listed('1', 'a', 4n)), /was made in part, 4 sat/)
    assert.match(
      check([told('acknowledged')], listed('2')),
      /was acknowledged as 1, and the payee lists 2/
    )
    assert.match(check([], listed()), /which nobody has asked for/)
  })

  it('show two nodes that list something else of what passed between them', () => {
    assert.equal(paidBetween([listed('1'), listed('2')], [listed('2'), listed('1')]), 20n)
    assert.equal(paidBetween([listed('1')], [listed('1'), listed('2')]), undefined)
    assert.equal(paidBetween([listed('1', 'a', 9n)], [listed('1')]), undefined)
  })

  it('show channels whose sides see something else, and a satoshi that is missing', () => {
    const sides = {
      name: 'one',
      capacity: 100n,
      one: { ours: 60n, theirs: 40n },
      other: { ours: 40n, theirs: 60n }
    }
    assert.deepEqual(checkChannels([sides]), [])
    assert.equal(checkChannels([{ ...sides, other: { ours: 41n, theirs: 59n } }]).length, 1)
    assert.equal(checkChannels([{ ...sides, capacity: 101n }]).length, 1)
    assert.deepEqual(checkConserved(100n, 90n, 10n), [])
    assert.match(checkConserved(100n, 90n, 9n).join(), /1 are missing/)
  })
})
