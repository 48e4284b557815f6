import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  chanceAxis,
  embedJson,
  escapeHtml,
  html,
  Html,
  numberAxis,
  wordAxis
} from '../../../src/sim/report/svg.js'
import {
  arrange,
  cellText,
  count,
  duration,
  moment,
  money,
  percent,
  plural,
  sat,
  wilson
} from '../../../src/sim/report/format.js'
import { itInAll } from '../../size.js'

describe('the axes of the drawings', () => {
  it('are logarithmic when values are far apart, and name what was tried', () => {
    const axis = numberAxis([1, 12, 144], 0, 100)
    assert.equal(axis.log, true)
    assert.deepEqual([axis.at(1), axis.at(12), axis.at(144)], [0, 50, 100])
    assert.deepEqual(
      axis.ticks.map(({ label }) => label),
      ['1', '12', '144']
    )
  })

  it('leave out numbers that would be written over others', () => {
    assert.deepEqual(
      numberAxis([1, 1.01, 1.02, 100], 0, 200).ticks.map(({ label }) => label),
      ['1', '100']
    )
  })

  it('are linear otherwise, and with a zero among the values', () => {
    assert.equal(numberAxis([4, 5, 6], 0, 100).log, false)
    const axis = numberAxis([0, 1000], 0, 100)
    assert.deepEqual([axis.log, axis.at(0), axis.at(500), axis.at(1000)], [false, 0, 50, 100])
    assert.ok(Number.isFinite(numberAxis([0, 0], 0, 100, true).at(0)))
    assert.ok(Number.isFinite(numberAxis([7], 0, 100).at(7)))
  })

  it('have a place for chances of 0 below the smallest power of ten', () => {
    const axis = chanceAxis([0, 0.004, 0.8], 300, 0)
    assert.equal(axis.log, true)
    assert.equal(axis.at(0), 300)
    assert.ok(axis.at(0.001) < 300 && axis.at(0.001) > axis.at(0.004))
    assert.equal(axis.at(0.00001), axis.at(0.001))
    assert.deepEqual(
      axis.ticks.map(({ label }) => label),
      ['0', '0.1 %', '1 %', '10 %', '100 %']
    )
  })

  it('are linear for chances that differ little, and when nothing was seen', () => {
    assert.equal(chanceAxis([0.4, 0.5], 300, 0).log, false)
    assert.equal(chanceAxis([0, 0], 300, 0).at(0), 300)
    assert.equal(chanceAxis([], 300, 0).at(1), 0)
  })

  it('space words evenly', () => {
    const axis = wordAxis(['eager', 'patient'], 0, 100)
    assert.deepEqual([axis.of('eager'), axis.of('patient')], [25, 75])
  })
})

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

describe('numbers for people', () => {
  it('have their unit, and separators', () => {
    assert.deepEqual(
      [sat(1_234_567), sat(13.634), sat(-1_207), money(250_000_000), money(9_999_999)],
      ['1,234,567 sat', '13.63 sat', '-1,207 sat', '2.5 BTC', '9,999,999 sat']
    )
    assert.deepEqual(
      [count(-0.001), plural(1, 'node'), plural(2_000, 'loss', 'losses')],
      ['0', '1 node', '2,000 losses']
    )
  })

  it('never call almost everything all, nor almost nothing nothing', () => {
    assert.deepEqual(
      [
        percent(1),
        percent(0.999999),
        percent(0.9955),
        percent(0.5),
        percent(0.0123),
        percent(0.00042),
        percent(1e-7),
        percent(0)
      ],
      ['100 %', '> 99.99 %', '99.55 %', '50 %', '1.23 %', '0.042 %', '< 0.001 %', '0 %']
    )
  })

  it('tell durations in the unit that fits, and times by day, hour and minute', () => {
    assert.deepEqual(
      [
        duration(0.0021),
        duration(0.35),
        duration(4.25),
        duration(600),
        duration(20_000),
        duration(400_000)
      ],
      ['2.1 ms', '350 ms', '4.25 s', '10 min', '5.6 h', '4.6 days']
    )
    assert.equal(moment(3 * 86_400 + 14 * 3600 + 5 * 60 + 59), '3 d 14:05')
  })
})

describe('text in a page', () => {
  it('stays text, whatever is in it', () => {
    assert.equal(
      html`<td title="${'"><script>'}">${"<b>&'</b>"}</td>`.text,
      '<td title="&quot;&gt;&lt;script&gt;">&lt;b&gt;&amp;&#39;&lt;/b&gt;</td>'
    )
  })

  it('takes HTML, lists and numbers as what they are', () => {
    assert.equal(
      html`<ul>${[1, 2].map((item) => html`<li>${item}</li>`)}${new Html('<hr>')}</ul>`.text,
      '<ul><li>1</li><li>2</li><hr></ul>'
    )
  })

  it('shows characters that would turn the direction of the text around, or hide', () => {
    assert.equal(escapeHtml('good\u202eegral\u0000'), 'good\ufffdegral\ufffd')
  })
})

describe('data in a page', () => {
  it('cannot end its script, open a comment, or end a line of JavaScript', () => {
    const text = embedJson({ name: '</script><script>alert(1)</script><!--\u2028\u2029' })
    assert.doesNotMatch(text, /[<>&\u2028\u2029]/)
    assert.deepEqual(JSON.parse(text), {
      name: '</script><script>alert(1)</script><!--\u2028\u2029'
    })
  })

  itInAll('is the same after it was read again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const text = embedJson({ name })
        assert.deepEqual(JSON.parse(text), { name })
        assert.doesNotMatch(text, /</)
      })
    )
  })
})

function rounded(seen: number, of: number): [number, number] {
  const { low, high } = wilson(seen, of)
  return [Math.round(low * 1e4) / 1e4, Math.round(high * 1e4) / 1e4]
}

describe('the interval of Wilson', () => {
  it('is the one of the textbooks', () => {
    // Each by hand from (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) with z = 1.95996.
    assert.deepEqual(rounded(5, 10), [0.2366, 0.7634])
    assert.deepEqual(rounded(0, 100), [0, 0.037])
    assert.deepEqual(rounded(100, 100), [0.963, 1])
    assert.deepEqual(rounded(1, 10), [0.0179, 0.4042])
  })

  it('says nothing without a trial', () => {
    assert.deepEqual(wilson(0, 0), { low: 0, high: 1 })
  })

  it('contains what was seen, stays between 0 and 1, and gets narrower with more trials', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (of, part) => {
          const seen = Math.round(part * of)
          const { low, high } = wilson(seen, of)
          assert.ok(low >= 0 && low <= seen / of && seen / of <= high && high <= 1)
          const more = wilson(seen * 10, of * 10)
          assert.ok(more.high - more.low < high - low)
        }
      )
    )
  })
})
