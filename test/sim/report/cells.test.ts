import assert from 'node:assert/strict'
import { arrange, cellText } from '../../../src/sim/report/cells.js'

const ROWS = [
  ['node-10', 'merchants', 5],
  ['node-2', 'customers', null],
  ['node-1', 'customers', 70],
  ['node-3', 'customers', 5]
] as const

function names(text: string, by: number | undefined, descending: boolean): string[] {
  return arrange(ROWS, text, by, descending).map((at) => ROWS[at]?.[0] ?? '')
}

describe('the large tables', () => {
  it('are in their own order until somebody sorts them', () => {
    assert.deepEqual(names('', undefined, false), ['node-10', 'node-2', 'node-1', 'node-3'])
  })

  it('sort words as people count', () => {
    assert.deepEqual(names('', 0, false), ['node-1', 'node-2', 'node-3', 'node-10'])
  })

  it('sort numbers by size, keep the order of equals, and put nothing last both ways', () => {
    assert.deepEqual(names('', 2, false), ['node-10', 'node-3', 'node-1', 'node-2'])
    assert.deepEqual(names('', 2, true), ['node-1', 'node-10', 'node-3', 'node-2'])
  })

  it('show the rows that have all the words of the filter, not those whose numbers look like them', () => {
    assert.deepEqual(names(' CUST  3 ', undefined, false), ['node-3'])
    assert.deepEqual(names('70', undefined, false), [])
  })

  it('show units, and a dash for nothing', () => {
    assert.deepEqual(
      [
        cellText('sat', 1_000),
        cellText('count', 1_000),
        cellText('height', null),
        cellText('text', 'x'),
        cellText('percent', 0.5)
      ],
      ['1,000 sat', '1,000', '–', 'x', '50 %']
    )
  })
})
