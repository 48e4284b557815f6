import assert from 'node:assert/strict'
import { loadScenario, readScenarioText } from '../../../src/sim/scenario/scenario-file.js'
import {
  applyValues,
  classOf,
  jobsOf,
  readAxis,
  readStakes,
  runOf,
  sweepOf,
  type SweepRun
} from '../../../src/sim/sweep/sweep.js'
import { scenarioOf, runJobs } from '../../../src/sim/sweep/worker-pool.js'
import { emptyResults } from '../fixture.js'

const SCRIPT = new URL('./fake-worker.js', import.meta.url)
const untilDone = { signal: new AbortController().signal, script: SCRIPT }

describe('what a sweep varies', () => {
  it('is a setting and its values', () => {
    assert.deepEqual(readAxis('step=1,2,36'), { name: 'step', values: [1, 2, 36] })
    assert.deepEqual(readAxis('fees=5, congested'), { name: 'fees', values: [5, 'congested'] })
    assert.deepEqual(readAxis('nodes.customer.count=10,20'), {
      name: 'nodes.customer.count',
      values: [10, 20]
    })
  })

  it('is refused with what to write instead', () => {
    assert.throws(() => readAxis('step'), /write it like step=1,2,6,36,144/)
    assert.throws(() => readAxis('stepp=1'), /no setting 'stepp' to vary\. Did you mean 'step'\?/)
    assert.throws(() => readAxis('step=1,,2'), /A value is missing/)
    assert.throws(() => readAxis('step=1,1'), /stands twice/)
  })

  it('is put where it is meant: steps of two-way channels, policies of all nodes, sections', () => {
    const scenario = loadScenario('hostile', (yaml) => {
      applyValues(yaml, {
        step: 24,
        upTo: 0.5,
        settleMargin: 40,
        fees: 'congested',
        latency: '90ms',
        'nodes.cheat.count': 5
      })
    })
    assert.ok(
      scenario.channels.every(({ step }) => step === undefined || step === 24),
      'a one-way channel has none'
    )
    assert.ok(scenario.nodes.every(({ policy }) => policy.settleMargin === 40))
    assert.deepEqual(scenario.adversaries[0], { kind: 'publish-old', who: 'cheat', upTo: 0.5 })
    assert.deepEqual(scenario.chain.fees, { kind: 'congested', seed: 1 })
    assert.deepEqual(scenario.network.latency, { kind: 'constant', value: 90 })
    assert.equal(scenario.nodes.find(({ name }) => name === 'cheat')?.count, 5)
  })

  it('has to be in the scenario, and a value has to fit it as any other', () => {
    assert.throws(
      () =>
        loadScenario('hub', (yaml) => {
          applyValues(yaml, { step: 24 })
        }),
      /Nothing in hub\.yaml has a 'step'/
    )
    assert.throws(
      () =>
        loadScenario('pair', (yaml) => {
          applyValues(yaml, { step: 700 })
        }),
      /pair\.yaml:\d+:\d+: channels\[0\]\.blocks/
    )
  })
})

describe('a sweep', () => {
  const axes = [readAxis('step=1,6'), readAxis('capacity=100000,200000,300000')]
  const plan = { scenario: 'pair', axes, seeds: [7, 8], stakes: [] }
  const run: SweepRun = {
    classes: [{ publications: 4, tooLate: 1, foretold: 0.6, lost: 100, staked: 1_000 }],
    asked: 10,
    made: 8,
    fees: 16
  }

  it('is every combination with every seed', () => {
    const jobs = jobsOf(plan)
    assert.equal(jobs.length, 12)
    assert.deepEqual(jobs.slice(0, 3), [
      { values: { step: 1, capacity: 100_000 }, seed: 7 },
      { values: { step: 1, capacity: 100_000 }, seed: 8 },
      { values: { step: 1, capacity: 200_000 }, seed: 7 }
    ])
    const work = { scenario: readScenarioText('pair'), settings: { days: 2 } }
    const scenario = scenarioOf(work, jobs[11] ?? { values: {}, seed: 0 })
    assert.deepEqual(
      [
        scenario.seed,
        scenario.duration,
        scenario.channels[0]?.step,
        scenario.channels[0]?.capacity
      ],
      [8, 172_800, 6, 300_000n]
    )
  })

  it('adds the runs of a combination up, and leaves out those that are not done', () => {
    const runs = new Array<SweepRun | undefined>(12).fill(run)
    runs[3] = undefined
    const { points } = sweepOf(plan, runs)
    assert.equal(points.length, 5)
    assert.deepEqual(points[0], {
      values: { step: 1, capacity: 100_000 },
      runs: 2,
      publications: 8,
      tooLate: 2,
      lossProbability: 0.25,
      foretold: 0.15,
      lost: 200,
      staked: 2_000,
      successRate: 0.8,
      feesPerPayment: 2
    })
    assert.ok(!points.some(({ values }) => values['step'] === 1 && values['capacity'] === 200_000))
  })

  it('takes from a run what honest nodes published, had at stake and lost', () => {
    const results = emptyResults({
      name: 'pair',
      description: '',
      seed: 1,
      duration: 86_400,
      model: false
    })
    const loss = { height: 5, why: 'stuck', text: '' } as const
    const race = {
      turn: 0,
      height: 1,
      deadline: 4,
      fee: 200,
      risk: 0.125,
      spentAt: 3,
      honest: true,
      tooLate: false
    } as const
    const found = {
      ...results,
      losses: [
        { ...loss, node: 'a', channel: 0, honest: true, amount: 70 },
        { ...loss, node: 'b', channel: 1, honest: false, amount: 900 },
        { ...loss, node: 'c', channel: 2, honest: true, amount: 9_000 }
      ],
      races: [
        { ...race, channel: 0, node: 'a', stake: 20_000, risk: 0.5, tooLate: true },
        { ...race, channel: 0, node: 'b', stake: 500 },
        { ...race, channel: 1, node: 'b', stake: 800, honest: false }
      ]
    }
    assert.deepEqual(runOf(found, []), {
      classes: [{ publications: 2, tooLate: 1, foretold: 0.625, lost: 9_070, staked: 20_500 }],
      asked: 0,
      made: 0,
      fees: 0
    })
    assert.deepEqual(runOf(found, [1_000, 10_000]).classes, [
      { publications: 1, tooLate: 0, foretold: 0.125, lost: 0, staked: 500 },
      { publications: 0, tooLate: 0, foretold: 0, lost: 9_000, staked: 0 },
      { publications: 1, tooLate: 1, foretold: 0.5, lost: 70, staked: 20_000 }
    ])
  })

  it('tells stakes apart as one more axis', () => {
    const [small, large] = [
      { publications: 4, tooLate: 3, foretold: 2, lost: 10, staked: 400 },
      { publications: 6, tooLate: 0, foretold: 0.06, lost: 0, staked: 60_000 }
    ]
    const sweep = sweepOf(
      { ...plan, stakes: [1_000] },
      new Array<SweepRun>(12).fill({ ...run, classes: [small, large] })
    )
    assert.deepEqual(sweep.axes.at(-1), {
      name: 'stake',
      values: ['below 1,000 sat', 'from 1,000 sat']
    })
    assert.deepEqual(
      sweep.points
        .slice(0, 2)
        .map(({ values, publications, lossProbability, foretold }) => [
          values['stake'],
          publications,
          lossProbability,
          foretold
        ]),
      [
        ['below 1,000 sat', 8, 0.75, 0.5],
        ['from 1,000 sat', 12, 0, 0.01]
      ]
    )
    assert.deepEqual(
      [readStakes('1000, 20000'), classOf(999, [1_000]), classOf(1_000, [1_000])],
      [[1_000, 20_000], 0, 1]
    )
    for (const wrong of ['', 'x', '5,5', '9,1', '1,2,3,4,5,6', '1.5', '-1']) {
      assert.throws(() => readStakes(wrong), /not limits between stakes/)
    }
  })

  it('foretells nothing where nothing was published', () => {
    const none = {
      ...run,
      classes: [{ publications: 0, tooLate: 0, foretold: 0, lost: 0, staked: 0 }]
    }
    assert.deepEqual(
      sweepOf(plan, new Array<SweepRun>(12).fill(none)).points.map(({ foretold }) => foretold),
      new Array<number>(6).fill(0)
    )
  })

  it('is the same with one thread and with several', async () => {
    const work = { scenario: readScenarioText('pair'), settings: {}, stakes: [] }
    const jobs = jobsOf(plan)
    const told: number[] = []
    const [one, three] = await Promise.all(
      [1, 3].map(
        async (threads) =>
          await runJobs(work, jobs, {
            ...untilDone,
            threads,
            onRun: (done) => {
              told.push(done)
            }
          })
      )
    )
    assert.deepEqual(one, three)
    // The fake asks for as many payments as its seed, and makes as many as its step.
    assert.deepEqual(
      one?.map((run) => [run?.asked, run?.made]),
      [
        ...new Array<number[][]>(3)
          .fill([
            [7, 1],
            [8, 1]
          ])
          .flat(),
        ...new Array<number[][]>(3)
          .fill([
            [7, 6],
            [8, 6]
          ])
          .flat()
      ]
    )
    assert.equal(told.filter((done) => done === 12).length, 2)
  })

  it('fails with the error of the run that failed', async () => {
    const work = { scenario: readScenarioText('pair'), settings: {}, stakes: [] }
    await assert.rejects(
      runJobs(work, [{ values: { step: 0 }, seed: 1 }], {
        ...untilDone,
        threads: 2,
        onRun: () => {}
      }),
      { code: 'ERR_SCENARIO_INVALID' }
    )
  })

  it('keeps what is done when it is stopped', async () => {
    const stop = new AbortController()
    const work = { scenario: readScenarioText('pair'), settings: {}, stakes: [] }
    const runs = await runJobs(work, jobsOf(plan), {
      threads: 1,
      script: SCRIPT,
      signal: stop.signal,
      onRun: (done) => {
        if (done === 4) stop.abort()
      }
    })
    assert.equal(runs.length, 12)
    assert.ok(runs.slice(0, 4).every((run) => run !== undefined))
    assert.equal(runs.at(-1), undefined)
  })
})
