import assert from 'node:assert/strict'
import { paymentLines, type PaymentLines } from '../../src/cli/commands/start.js'
import { satoshi } from '../../src/types/units.js'
import { payment } from '../daemon/fake-node.js'

describe('the lines of payments', () => {
  let shown: string[]
  let due: (() => void) | undefined
  let lines: PaymentLines

  beforeEach(() => {
    shown = []
    due = undefined
    lines = paymentLines(
      {
        after: (_ms, callback) => {
          due = callback
          return () => {
            due = undefined
          }
        }
      },
      (line) => shown.push(line)
    )
  })

  function second(): void {
    const callback = due
    due = undefined
    callback?.()
  }

  it('show the first payment at once', () => {
    lines.add(payment)
    assert.deepEqual(shown, [
      'sent 1,000 sat to …nc6iDEp on channel 1a2b3c4d: coffee'.replace(
        '…nc6iDEp',
        `…${payment.peerId.slice(-8)}`
      )
    ])
  })

  it('show those of one second together', () => {
    lines.add(payment)
    for (let n = 0; n < 1_200; n++) lines.add({ ...payment, amount: satoshi(10n) })
    lines.add({ ...payment, direction: 'received', amount: satoshi(7n) })
    assert.equal(shown.length, 1)
    second()
    assert.deepEqual(shown.slice(1), ['received 1 payment, 7 sat; sent 1,200 payments, 12,000 sat'])
    second()
    assert.equal(shown.length, 2)
    lines.add({ ...payment, direction: 'received', memo: '' })
    assert.match(shown[2] ?? '', /^received 1,000 sat from …\S+ on channel 1a2b3c4d$/)
  })

  it('show what is left at the end, and nothing later', () => {
    lines.add(payment)
    lines.add(payment)
    lines.end()
    assert.equal(shown.length, 2)
    second()
    assert.equal(shown.length, 2)
  })
})
