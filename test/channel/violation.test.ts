import assert from 'node:assert/strict'
import { attempt, Violation } from '../../src/channel/violation.js'
import { PaychanError } from '../../src/types/errors.js'

describe('channel / violation', () => {
  const thrown = (error: Error): unknown =>
    attempt(
      (code) => `${code} of`,
      () => {
        throw error
      }
    )

  it('is what a check throws, or what the refusal of a helper comes to; a bug is no fault of the peer and is thrown on', () => {
    const violation = new Violation('UPD-4', 'ERR_BAD_SIGNATURE', 'The signature is wrong.')
    assert.equal(thrown(violation), violation)
    const refused = thrown(new PaychanError('ERR_INVALID_AMOUNT', 'Too much.', { asked: 1 }))
    assert.ok(refused instanceof Violation)
    assert.deepEqual(
      [refused.rule, refused.code, refused.message, refused.facts['asked']],
      ['ERR_INVALID_AMOUNT of', 'ERR_INVALID_AMOUNT', 'Too much.', 1]
    )
    const bug = new TypeError('undefined is not a function')
    assert.throws(() => thrown(bug), bug)
    assert.equal(
      attempt('UPD-4', () => 7),
      7
    )
  })
})
