import assert from 'node:assert/strict'
import type { Sweep, SweepPoint } from '../../../src/sim/results.js'
import { renderSweep, sweepSvg } from '../../../src/sim/report/index.js'
import { basisOf, foretoldOf, readingOf } from '../../../src/sim/report/sweep.js'
import { makeSweep } from './fixture.js'

function point(values: SweepPoint['values'], tooLate: number, publications = 1_000): SweepPoint {
  return {
    values,
    runs: 10,
    publications,
    tooLate,
    lossProbability: publications === 0 ? 0 : tooLate / publications,
    foretold: 0.05,
    lost: tooLate * 100,
    staked: publications * 1_000,
    successRate: 0.975,
    feesPerPayment: 4.5
  }
}

function sweep(axes: Sweep['axes'], points: readonly SweepPoint[]): Sweep {
  return { format: 'paychan-sweep', version: 1, scenario: 'bad-week', seeds: [1, 2], axes, points }
}

function bySteps(late: readonly number[]): Sweep {
  const values = [1, 12, 36, 144].slice(0, late.length)
  return sweep(
    [{ name: 'step', values }],
    values.map((step, at) => point({ step }, late[at] ?? 0))
  )
}

/** The horizontal positions of the marks of a drawing that are circles, and their heights. */
function circles(svg: string): Array<readonly [number, number]> {
  // The last ones: those before are in the legend.
  return [...svg.matchAll(/<circle class="mark[^"]*" cx="([\d.]+)" cy="([\d.]+)"/g)].map(
    ([, x, y]) => [Number(x), Number(y)] as const
  )
}

describe('the picture of a sweep', () => {
  it('is the same, byte for byte, for the same sweep', () => {
    assert.equal(sweepSvg(makeSweep()), sweepSvg(JSON.parse(JSON.stringify(makeSweep())) as Sweep))
  })

  it('stands as a file of its own', () => {
    const svg = sweepSvg(makeSweep())
    assert.match(svg, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)
    assert.match(svg, /prefers-color-scheme:dark/)
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/)
  })

  it('has wide steps to the right at equal ratios, and small chances below', () => {
    const marks = circles(sweepSvg(bySteps([500, 50, 5, 0])))
    assert.equal(marks.length, 4)
    const [[x1, y1], [x12, y12], [x36, y36], [x144, y144]] = marks as [
      readonly [number, number],
      readonly [number, number],
      readonly [number, number],
      readonly [number, number]
    ]
    assert.ok(x1 < x12 && x12 < x36 && x36 < x144)
    assert.ok(
      Math.abs((x12 - x1) / (x144 - x1) - Math.log(12) / Math.log(144)) < 0.001,
      'the axis is logarithmic'
    )
    // 50 %, 5 %, 0.5 %: the same ratio, the same distance.
    assert.ok(Math.abs(y12 - y1 - (y36 - y12)) < 0.2)
    assert.ok(y144 > y36, 'none at all is at the bottom')
  })

  it('shows what was never seen with the upper end of its interval, as a hollow mark', () => {
    const svg = sweepSvg(bySteps([500, 0]))
    assert.equal(svg.match(/class="mark c0 hollow"/g)?.length, 1)
    assert.equal(svg.match(/class="bar c0"/g)?.length, 2)
  })

  it('takes words as an axis, makes panels of a third one, and leaves out what published nothing', () => {
    const axes = [
      { name: 'policy', values: ['eager', 'patient'] },
      { name: 'stake', values: [1_000, 10_000] },
      { name: 'fees', values: ['quiet', 'bad'] }
    ]
    const points = ['eager', 'patient'].flatMap((policy) =>
      [1_000, 10_000].flatMap((stake) =>
        ['quiet', 'bad'].map((fees) =>
          point({ policy, stake, fees }, 1, policy === 'patient' && stake === 1_000 ? 0 : 100)
        )
      )
    )
    const svg = sweepSvg(sweep(axes, points))
    assert.match(svg, />fees quiet<.*>fees bad</s)
    assert.match(svg, />eager<.*>patient</s)
    assert.equal(svg.match(/class="bar /g)?.length, 6)
  })

  it('is drawn for a sweep that was interrupted at once', () => {
    assert.match(sweepSvg(sweep([{ name: 'step', values: [1, 2] }], [])), /no point yet/)
    assert.match(sweepSvg(sweep([], [])), /no point yet/)
  })

  it('keeps text text', () => {
    assert.doesNotMatch(
      sweepSvg(sweep([{ name: '<b>', values: ['<i>'] }], [point({ '<b>': '<i>' }, 1)])),
      /<b>|<i>/
    )
  })
})

describe('what can be read from a sweep', () => {
  it('is from where on one publication in a hundred is late at most, if that is sure', () => {
    assert.deepEqual(readingOf(bySteps([300, 40, 1, 0])), [
      'The chance to come too late is below 1 % from step 36 on; the worst is 30 % at step 1.'
    ])
  })

  it('is not that it is safe because nothing was seen in a few tries', () => {
    const few = sweep([{ name: 'step', values: [144] }], [point({ step: 144 }, 0, 20)])
    assert.deepEqual(readingOf(few), [
      'The chance to come too late could not be shown to be below 1 % at any step; none was seen to be late.'
    ])
  })

  it('says at which values it holds when there is no order in them', () => {
    assert.deepEqual(readingOf(bySteps([0, 300, 0, 300])), [
      'The chance to come too late is below 1 % at step 1, 36; the worst is 30 % at step 12.'
    ])
    assert.deepEqual(readingOf(bySteps([0, 0, 300])), [
      'The chance to come too late is below 1 % up to step 12; the worst is 30 % at step 36.'
    ])
    assert.deepEqual(readingOf(bySteps([1, 0])), [
      'The chance to come too late is below 1 % at every step that was tried; the worst is 0.1 % at step 1.'
    ])
  })

  it('has a sentence for each line, and one for lines that say nothing', () => {
    const axes = [
      { name: 'step', values: [1, 2] },
      { name: 'stake', values: [1_000, 10_000] }
    ]
    assert.deepEqual(
      readingOf(
        sweep(axes, [
          point({ step: 1, stake: 1_000 }, 500),
          point({ step: 2, stake: 1_000 }, 0),
          point({ step: 1, stake: 10_000 }, 0, 0)
        ])
      ),
      [
        'With stake 1,000, the chance to come too late is below 1 % from step 2 on; the worst is 50 % at step 1.',
        'With stake 10,000, the runs published nothing, so they say nothing.'
      ]
    )
  })
})

describe('how sure a sweep is', () => {
  it('counts each run once, also where stakes are told apart', () => {
    const axes = [
      { name: 'step', values: [1, 2] },
      { name: 'stake', values: ['below 1,000 sat', 'from 1,000 sat'] }
    ]
    const points = [1, 2].flatMap((step) =>
      ['below 1,000 sat', 'from 1,000 sat'].map((stake) => point({ step, stake }, 1, 50))
    )
    assert.match(basisOf(sweep(axes, points)), /^200 publications in 20 runs of bad-week\./)
    assert.match(basisOf(bySteps([1, 0, 0])), /^3,000 publications in 30 runs of bad-week\./)
  })
})

describe('what the nodes foretold', () => {
  const byStep = (late: number, publications = 1_000): Sweep =>
    sweep(
      [{ name: 'step', values: [1, 2] }],
      [point({ step: 1 }, late, publications), point({ step: 2 }, 0, 0)]
    )

  it('is held against what came of it: 5 % of 1,000', () => {
    assert.equal(
      foretoldOf(byStep(50)),
      'The nodes foretold that 50 publications would come too late, and 50 did. At no point were more late than that allows for (95 %).'
    )
    assert.match(foretoldOf(byStep(0)), /foretold that 50 .*, and 0 did\. At no point/)
  })

  it('was too little only where the 95 % interval says so', () => {
    // 62 of 1,000: 4.87 % to 7.87 %, and 5 % was foretold. 66 of 1,000: from 5.22 % on.
    assert.match(foretoldOf(byStep(62)), /At no point/)
    assert.match(
      foretoldOf(byStep(66)),
      /At 1 point of 1 more were late than that allows for \(95 %\): the risk figure is too low there\.$/
    )
  })

  it('is nothing where nothing was published', () => {
    assert.match(foretoldOf(byStep(0, 0)), /nothing to compare/)
    const text = renderSweep(byStep(0, 0))
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
    assert.match(text, / 2 10 0 0 – 0 % to 100 % – – /)
  })
})

describe('the page of a sweep', () => {
  const page = renderSweep(makeSweep())

  it('is the same, byte for byte, for the same sweep', () => {
    assert.equal(page, renderSweep(makeSweep()))
  })

  it('has the numbers of every point', () => {
    const text = renderSweep(sweep([{ name: 'step', values: [1] }], [point({ step: 1 }, 50)]))
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
    assert.match(
      text,
      / 1 10 1,000 50 5 % 3\.81 % to 6\.53 % 5 % 0\.5 % 5,000 sat 97\.5 % 4\.5 sat /
    )
    assert.equal(page.match(/<tr>/g)?.length, 37)
  })

  it('needs no script, and none may run', () => {
    assert.doesNotMatch(page, /<script/)
    assert.match(page, /script-src &#39;none&#39;/)
  })
})
