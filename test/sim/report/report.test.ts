/** The report of a simulation, and how its figures are written. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
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
import { renderReport } from '../../../src/sim/report/index.js'
import type { PageData } from '../../../src/sim/report/page-data.js'
import {
  chanceAxis,
  embedJson,
  escapeHtml,
  html,
  Html,
  numberAxis,
  wordAxis
} from '../../../src/sim/report/svg.js'
import type { Results } from '../../../src/sim/results.js'
import { itInAll } from '../../size.js'
import { emptyResults } from '../fixture.js'
import { makeResults } from './fixture.js'

const HOSTILE = makeResults({ nodes: 30, channels: 40, days: 3, samples: 24, hostile: true })
const PEACEFUL = makeResults({ nodes: 12, channels: 20, days: 2, samples: 12, hostile: false })

/** What a person reads: without the script, the style and the tags. */
function textOf(page: string): string {
  return page
    .replace(/<(script|style)[\s\S]*?<\/\1>/g, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
}

function dataOf(page: string): PageData {
  return JSON.parse(
    /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)?.[1] ?? ''
  ) as PageData
}

const { payments, groups, nodes, channels, losses, attacks, risk, series } = emptyResults({
  ...PEACEFUL.scenario,
  duration: 0
})
const EMPTY: Results = {
  ...PEACEFUL,
  complete: false,
  simulated: 0,
  events: 0,
  payments,
  groups,
  nodes,
  channels,
  losses,
  attacks,
  risk,
  series
}

describe('the report', () => {
  it('is the same, byte for byte, for the same results', () => {
    assert.equal(
      renderReport(HOSTILE),
      renderReport(JSON.parse(JSON.stringify(HOSTILE)) as Results)
    )
  })

  it('says at its top what was simulated, and the six numbers that one looks for first', () => {
    const text = textOf(
      renderReport({
        ...HOSTILE,
        payments: { ...HOSTILE.payments, asked: 1_000, made: 975, unknown: 2, volume: 123_456 },
        chain: { ...HOSTILE.chain, fees: 9_750, feesPerPayment: 10 },
        capital: { ...HOSTILE.capital, locked: 250_000_000, idle: 0.25 }
      })
    )
    for (const expected of [
      'hostile',
      'seed 1',
      '3 days',
      '30 nodes',
      '40 channels',
      'complete',
      'Success rate 97.5 %',
      '975 made of 1,000 asked for, 2 unknown at the end',
      'Payments made 975',
      '123,456 sat in all',
      'Chain fees per payment 10 sat',
      '9,750 sat for',
      'Capital locked 2.5 BTC',
      '25 % of it without a payment for a day',
      'Losses of honest nodes 15,457 sat',
      '2 losses: 1 economics, 1 absence',
      '2 of 24 attacks succeeded'
    ]) {
      assert.ok(text.includes(expected), `${expected} is not in: ${text.slice(0, 900)}`)
    }
    const profit = HOSTILE.attacks.reduce((sum, attack) => sum + attack.profit, 0)
    assert.ok(text.includes(`profit ${profit.toLocaleString('en-US')} sat`))
  })

  it('says so when no honest node lost anything', () => {
    const page = renderReport(PEACEFUL)
    assert.match(page, /<p class="fine">No honest node lost anything/)
    assert.match(textOf(page), /Losses of honest nodes 0 sat none/)
  })

  it('keeps the losses of adversaries apart from those of honest nodes', () => {
    const page = renderReport({ ...HOSTILE, losses: HOSTILE.losses.filter((loss) => !loss.honest) })
    assert.match(page, /No honest node lost anything/)
    assert.match(
      textOf(page),
      /Losses of adversaries \(1\) dishonest : 1 loss of 310 sat; an adversary plays the node\./
    )
  })

  it('explains each loss, and shows in red the one that nothing explains', () => {
    const [first] = HOSTILE.losses
    assert.ok(first !== undefined)
    const page = renderReport({
      ...HOSTILE,
      losses: [first, { ...first, why: 'unexplained', amount: 77, text: 'nobody knows' }]
    })
    assert.match(textOf(page), /economics : 1 loss of 1,207 sat; publishing was not worth its fee/)
    assert.match(page, /<tr class="bad">.*77 sat.*unexplained.*nobody knows/s)
    assert.match(page, /<div class="tile bad"><dt>Losses of honest nodes/)
    assert.match(renderReport(HOSTILE), /<div class="tile warn"><dt>Losses of honest nodes/)
  })

  it('begins with the invariants that did not hold', () => {
    const page = renderReport({
      ...PEACEFUL,
      broken: [{ time: 90_000, rule: 'VALUE-1', text: '3 sat are missing' }]
    })
    assert.ok(page.indexOf('1 invariant did not hold') < page.indexOf('<h1>'))
    assert.match(textOf(page), /VALUE-1 at 1 d 01:00: 3 sat are missing/)
    assert.doesNotMatch(renderReport(PEACEFUL), /did not hold/)
  })

  it('says that it is a part of a run that was interrupted, and that signatures were not real', () => {
    const text = textOf(
      renderReport({
        ...PEACEFUL,
        complete: false,
        simulated: 43_200,
        scenario: { ...PEACEFUL.scenario, model: true }
      })
    )
    assert.match(text, /0\.5 of 2 days/)
    assert.match(text, /interrupted after 12 h of simulated time/)
    assert.match(text, /model: no real signatures/)
  })

  it('counts failures by their code, the most frequent first', () => {
    const page = renderReport({
      ...PEACEFUL,
      payments: { ...PEACEFUL.payments, asked: 100, failed: { ERR_B: 1, ERR_A: 9 } }
    })
    assert.match(page, /ERR_<wbr>A/, 'a code breaks between its words')
    const text = textOf(page.replaceAll('<wbr>', ''))
    assert.match(text, /10 payments of 100 failed \(10 %\).*ERR_A 9 \(90 %\) ERR_B 1 \(10 %\)/)
  })

  it('compares the risk that was foretold with what came of it', () => {
    const bucket = { from: 0.01, to: 0.1, predicted: 0.02, publications: 100, tooLate: 2 }
    assert.match(
      textOf(renderReport({ ...PEACEFUL, risk: [bucket] })),
      /Of 100 publications, 2 were foretold to come too late, and 2 did\. No range did worse/
    )
    assert.match(
      textOf(renderReport({ ...PEACEFUL, risk: [{ ...bucket, tooLate: 20 }] })),
      /1 range did worse than the prediction allows for.*worse than foretold/
    )
    assert.match(
      textOf(renderReport({ ...PEACEFUL, risk: [{ ...bucket, publications: 0, tooLate: 0 }] })),
      /nothing to compare/
    )
  })

  it('has a page for a run that was interrupted before anything happened', () => {
    assert.match(
      textOf(renderReport(EMPTY)),
      /no payment was asked for.*None failed\..*Nobody attacked/
    )
  })

  it('hands the script what it needs: every node and channel, the balances and the curves', () => {
    const data = dataOf(renderReport(HOSTILE))
    assert.equal(data.nodes.rows.length, 30)
    assert.equal(data.channels.rows.length, 40)
    assert.equal(data.picture.channels.length, 40)
    assert.deepEqual(data.times, HOSTILE.series.times)
    const made = data.curves
      .find(({ title }) => title === 'Payments')
      ?.lines.find(({ label }) => label === 'made')
    const hours = ((HOSTILE.series.times[5] ?? 0) - (HOSTILE.series.times[4] ?? 0)) / 3600
    assert.equal(made?.values[5], (HOSTILE.series.made[5] ?? 0) / hours)
    assert.equal(made.values[0], null, 'there is no time before the first sample')
  })
})

describe('a report of a scenario with hostile names', () => {
  const EVIL = '</script><img src=x onerror=alert(1)>'
  const page = renderReport({
    ...PEACEFUL,
    scenario: { ...PEACEFUL.scenario, name: EVIL, description: EVIL },
    groups: PEACEFUL.groups.map((group) => ({ ...group, name: EVIL })),
    nodes: PEACEFUL.nodes.map((node) => ({ ...node, name: EVIL + node.name, group: EVIL })),
    channels: PEACEFUL.channels.map((channel) => ({
      ...channel,
      client: EVIL + channel.client,
      server: EVIL + channel.server
    })),
    losses: [
      { node: EVIL, honest: true, channel: 1, height: 1, amount: 1, why: 'stuck', text: EVIL }
    ],
    attacks: [{ node: EVIL, kind: EVIL, channel: 1, height: 1, profit: 1, succeeded: true }],
    broken: [{ time: 1, rule: EVIL, text: EVIL }],
    payments: { ...PEACEFUL.payments, failed: { [EVIL]: 3 } }
  })

  it('has no tag of theirs', () => {
    assert.doesNotMatch(page, /<img/)
    assert.equal(page.match(/<\/script>/g)?.length, 2)
    assert.equal(dataOf(page).picture.channels.length, 20)
  })

  it('could not run their script even if it had: only ours is allowed, by its hash, and nothing is fetched', () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? ''
    assert.match(
      policy,
      /^default-src &#39;none&#39;; script-src &#39;sha256-[A-Za-z0-9+/=]{44}&#39;; /
    )
    assert.doesNotMatch(policy, /script-src[^;]*unsafe/)
    assert.doesNotMatch(page.replace(/<script>[\s\S]*<\/script>/, ''), /(?:src|href)="(?!#|data:,)/)
  })
})

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
