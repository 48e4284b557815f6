import assert from 'node:assert/strict'
import type { Results } from '../../../src/sim/results.js'
import { renderReport } from '../../../src/sim/report/index.js'
import type { PageData } from '../../../src/sim/report/page-data.js'
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
