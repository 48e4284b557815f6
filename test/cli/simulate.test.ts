import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Results, Sweep } from '../../src/sim/results.js'
import { simulate } from '../../src/sim/simulate.js'
import { emptyResults } from '../sim/fixture.js'
import { itInAll } from '../size.js'
import { testWorld, type TestWorld, type WorldOptions } from './world.js'

const SCRIPT = new URL('../sim/sweep/fake-worker.js', import.meta.url)

/** A command line whose simulations end at once with what `change` makes of nothing. */
function worldWith(change: Partial<Results> = {}, options: WorldOptions = {}): TestWorld {
  const fake: typeof simulate = async (scenario, _plan, { onProgress } = {}) => {
    for (const part of [0.24, 0.25, 0.5]) {
      onProgress?.({
        time: scenario.duration * part,
        duration: scenario.duration,
        events: 1_000 * part,
        payments: 0,
        height: 1,
        eventsPerSecond: 1,
        left: 1
      })
    }
    return { ...emptyResults(scenario), ...change }
  }
  return testWorld({ simulator: async () => fake, sweepScript: SCRIPT, columns: 200, ...options })
}

describe('paychan simulate', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-simulate-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  it('lists the presets, and shows one, which can be simulated as a file', async () => {
    const list = worldWith()
    assert.equal(await list.run('simulate', 'list'), 0)
    assert.match(list.out(), /^hub +A merchant and twenty customers.*\(21 nodes, 14 days\)$/m)
    const show = worldWith()
    assert.equal(await show.run('simulate', 'show', 'pair'), 0)
    await writeFile(join(dir, 'mine.yaml'), show.out())
    const mine = worldWith()
    assert.equal(await mine.run('simulate', join(dir, 'mine.yaml'), '--json'), 0)
    assert.equal((JSON.parse(mine.out()) as { results: Results }).results.scenario.name, 'pair')
  })

  it('gives the same results for the same scenario and seed, byte for byte', async () => {
    const simulator: NonNullable<WorldOptions['simulator']> = async () => simulate
    for (const name of ['one', 'two']) {
      assert.equal(
        await testWorld({ simulator }).run(
          'simulate',
          'pair',
          '--days',
          '0.5',
          '--out',
          join(dir, name)
        ),
        0
      )
    }
    const [one, two] = await Promise.all(
      ['one', 'two'].map(async (name) => await readFile(join(dir, name, 'results.json'), 'utf8'))
    )
    assert.equal(one, two)
    assert.ok((JSON.parse(one ?? '') as Results).payments.made > 5)
  })

  it('says what matters, and how far it is', async () => {
    const world = worldWith({
      payments: {
        asked: 200,
        off: 0,
        made: 190,
        unknown: 1,
        failed: { ERR_NODE_DOWN: 3, ERR_NO_TURN_LEFT: 6 },
        volume: 50_000,
        latency: { count: 1, mean: 0.1, p50: 0.1, p90: 0.2, p99: 2.5, max: 3 },
        throughput: 1
      },
      losses: [
        {
          node: 'alice',
          honest: true,
          channel: 0,
          height: 9,
          amount: 400,
          why: 'economics',
          text: 'too small'
        }
      ],
      attacks: [
        { node: 'eve', kind: 'publish-old', channel: 0, height: 5, profit: -800, succeeded: false }
      ]
    })
    assert.equal(await world.run('simulate', 'pair', '--seed', '5', '--days', '2.5', '--model'), 0)
    assert.match(
      world.out(),
      /^pair {2}2 nodes, 0 of the 1 channel of the scenario, 2\.5 days, seed 5, without real signatures$/m
    )
    assert.match(
      world.out(),
      /^payments +190 of 200 made \(95 %\), 50,000 sat, 1 unknown at the end$/m
    )
    assert.match(world.out(), /^failed +6 ERR_NO_TURN_LEFT, 3 ERR_NODE_DOWN$/m)
    assert.match(world.out(), /^latency +100 ms for half of them, 2\.5 s for 99 of 100$/m)
    assert.match(world.out(), /^losses +400 sat economics$/m)
    assert.match(world.out(), /^attackers +0 of 1 attack succeeded, and cost them 800 sat$/m)
    assert.match(world.out(), /^invariants +all held$/m)
    assert.match(world.err(), /^20 %|^24 %: day 0\.6 of 2\.5, 240 events$/m)
    assert.equal(
      world
        .err()
        .split('\n')
        .filter((line) => line.includes(' %:')).length,
      2,
      'one line for each tenth'
    )
  })

  it('counts the same as its report, under the same words', async () => {
    const channel = {
      number: 0,
      client: 'alice',
      server: 'bob',
      capacity: 500_000,
      step: 6,
      fundedAt: 1_001,
      spentAt: null,
      end: 'renewal',
      turns: 2,
      payments: { forth: 3, back: 1 },
      volume: { forth: 900, back: 100 },
      firstSample: 0,
      balances: []
    } as const
    const latency = { count: 1, mean: 0.1, p50: 0.1, p90: 0.2, p99: 2.5, max: 3 }
    const world = worldWith({
      channels: [channel, { ...channel, number: 1 }, { ...channel, number: 2, end: 'open' }],
      payments: {
        asked: 200,
        off: 12,
        made: 200,
        unknown: 0,
        failed: {},
        volume: 50_000,
        latency,
        throughput: 1
      }
    })
    assert.equal(await world.run('simulate', 'pair', '--out', dir, '--force'), 0)
    const report = await readFile(join(dir, 'report.html'), 'utf8')
    for (const words of [
      '3 channels (1 of the scenario, 2 that followed them)',
      ', 12 off (payer or payee was switched off)'
    ]) {
      assert.ok(world.out().includes(words), world.out())
      assert.ok(report.includes(words), words)
    }
    assert.doesNotMatch(report, /<span>1 channel<\/span>/)
    assert.match(world.out(), /200 of 200 made \(100 %\)/)
  })

  it('leaves its files in a directory, and overwrites none without being told to', async () => {
    const out = join(dir, 'new', 'results')
    const world = worldWith()
    assert.equal(await world.run('simulate', 'pair', '--out', out), 0)
    assert.deepEqual((await readdir(out)).sort(), [
      'channels.csv',
      'payments.csv',
      'report.html',
      'results.json',
      'run.json'
    ])
    assert.match(
      world.out(),
      /Written to .*: results\.json, run\.json, channels\.csv, payments\.csv, report\.html\./
    )
    const payments = (await readFile(join(out, 'payments.csv'), 'utf8')).trimEnd().split('\n')
    assert.equal(payments[0], 'id,sender,receiver,amount_sat,start_ms,status,error,seconds,channel')
    assert.match(payments[1] ?? '', /^0,(alice,bob|bob,alice),\d+,\d+,,,,$/)
    assert.ok(payments.length > 200)
    assert.match(
      await readFile(join(out, 'channels.csv'), 'utf8'),
      /^id,client,server,capacity_sat,step_blocks,/
    )
    const again = worldWith()
    assert.equal(await again.run('simulate', 'pair', '--out', out), 2)
    assert.match(again.err(), /is there already\. Name another directory, or add --force/)
    assert.equal(await worldWith().run('simulate', 'pair', '--out', out, '--force'), 0)
  })

  it('writes the payments, with what became of them', async () => {
    const world = testWorld({
      simulator:
        async () =>
        async (scenario, _plan, { onOutcome } = {}) => {
          // As they are told, not as they were asked for.
          onOutcome?.({ id: 1, status: 'failed', code: 'ERR_NO_TURN_LEFT', seconds: 0, channel: 0 })
          onOutcome?.({ id: 0, status: 'made', seconds: 0.1234567, channel: 3 })
          onOutcome?.({ id: 2, status: 'failed', code: 'ERR_NO_CHANNEL', seconds: 0 })
          onOutcome?.({ id: 3, status: 'unknown', channel: 4 })
          onOutcome?.({ id: 4, status: 'off', channel: 4 })
          return emptyResults(scenario)
        }
    })
    assert.equal(await world.run('simulate', 'pair', '--out', dir, '--force'), 0)
    const lines = (await readFile(join(dir, 'payments.csv'), 'utf8'))
      .split('\n')
      .slice(1, 7)
      .map((line) => line.split(',').slice(5).join(','))
    assert.deepEqual(lines, [
      'made,,0.123457,3',
      'failed,ERR_NO_TURN_LEFT,0,0',
      'failed,ERR_NO_CHANNEL,0,',
      'unknown,,,4',
      'off,,,4',
      ',,,'
    ])
  })

  it('writes the channels, with what became of them', async () => {
    const channel = {
      number: 0,
      client: 'alice',
      server: 'bob',
      capacity: 500_000,
      step: 6,
      fundedAt: 1_001,
      spentAt: null,
      end: 'open',
      turns: 2,
      payments: { forth: 3, back: 1 },
      volume: { forth: 900, back: 100 },
      firstSample: 0,
      balances: []
    } as const
    assert.equal(
      await worldWith({ channels: [channel] }).run('simulate', 'pair', '--out', dir, '--force'),
      0
    )
    assert.equal(
      (await readFile(join(dir, 'channels.csv'), 'utf8')).split('\n')[1],
      '0,alice,bob,500000,6,1001,,open,2,3,1,900,100'
    )
  })

  it('tells of a partial result when it was interrupted, and keeps it', async () => {
    const world: TestWorld = testWorld({
      columns: 200,
      simulator:
        async () =>
        async (scenario, _plan, { signal } = {}) => {
          await new Promise<void>((resolve) => {
            signal?.addEventListener('abort', () => {
              resolve()
            })
            world.interrupt()
          })
          return { ...emptyResults(scenario), complete: false, simulated: 86_400 }
        }
    })
    assert.equal(await world.run('simulate', 'pair', '--out', dir, '--force'), 0)
    assert.match(world.err(), /what was simulated so far is kept/)
    assert.match(world.out(), /1 of 7 days, seed 1 \(interrupted\)/)
    assert.equal(
      (JSON.parse(await readFile(join(dir, 'results.json'), 'utf8')) as Results).complete,
      false
    )
    const last =
      (await readFile(join(dir, 'payments.csv'), 'utf8')).trimEnd().split('\n').at(-1) ?? ''
    assert.ok(Number(last.split(',')[4]) <= 86_400_000, 'payments up to then')
  })

  it('fails when a rule was broken, or an honest node lost what nothing explains', async () => {
    const broken = worldWith({
      broken: [{ time: 5, rule: 'value conserved', text: '3 sat are missing' }]
    })
    assert.equal(await broken.run('simulate', 'pair'), 1)
    assert.match(broken.out(), /^invariants +1 time broken: value conserved: 3 sat are missing$/m)
    const loss = {
      node: 'a',
      channel: 0,
      height: 9,
      amount: 400,
      why: 'unexplained',
      text: ''
    } as const
    assert.equal(
      await worldWith({ losses: [{ ...loss, honest: true }] }).run('simulate', 'pair'),
      1
    )
    assert.equal(
      await worldWith({ losses: [{ ...loss, honest: false, why: 'dishonest' }] }).run(
        'simulate',
        'pair'
      ),
      0
    )
  })

  it('refuses a wrong scenario with every line that is wrong, and what cannot be read', async () => {
    await writeFile(
      join(dir, 'wrong.yaml'),
      'name: wrong\ndays: -1\nnodes: {}\nchannels: []\ntrafic: []\n'
    )
    const world = worldWith()
    assert.equal(await world.run('simulate', join(dir, 'wrong.yaml')), 2)
    assert.match(world.err(), /wrong\.yaml:2:7: days: It must be a number/)
    assert.match(
      world.err(),
      /wrong\.yaml:5:1: There is no key 'trafic'\. Did you mean 'traffic'\?/
    )
    assert.match(world.err(), /\(and 1 more\) \(ERR_SCENARIO_INVALID\)$/m)
    const json = worldWith()
    assert.equal(await json.run('simulate', join(dir, 'wrong.yaml'), '--json'), 2)
    assert.equal(
      (
        JSON.parse(json.out()) as { error: { facts: { problems: string } } }
      ).error.facts.problems.split('\n').length,
      2
    )
    for (const argv of [
      ['hubb'],
      ['pair', '--days', '-1'],
      ['pair', '--days', '0'],
      ['pair', '--days', 'x'],
      ['pair', '--seed', 'x'],
      [],
      ['show', 'nothing'],
      ['pair', '--out', '/dev/null/x']
    ]) {
      assert.equal(await worldWith().run('simulate', ...argv), 2, argv.join(' '))
    }
  })
})

describe('paychan simulate real', function () {
  this.slow(10_000)
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-simulate-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  itInAll(
    'runs a scenario with real nodes, says what it leaves out, and writes the same files',
    async () => {
      const world = testWorld()
      assert.equal(
        await world.run('simulate', 'real', 'pair', '--days', '0.3', '--out', join(dir, 'real')),
        0
      )
      assert.match(
        world.err(),
        /^Ignored: network\.latency: messages take as long as they take on this machine\.$/m
      )
      assert.match(world.out(), /^pair {2}2 nodes, 1 channel, 0\.3 days, seed 1$/m)
      assert.match(world.out(), /^invariants +all held$/m)
      assert.deepEqual((await readdir(join(dir, 'real'))).sort(), [
        'channels.csv',
        'payments.csv',
        'report.html',
        'results.json',
        'run.json'
      ])
      assert.match(
        await readFile(join(dir, 'real', 'payments.csv'), 'utf8'),
        /^0,(alice,bob|bob,alice),\d+,\d+,made,,[\d.]+,0$/m
      )
      const run = JSON.parse(await readFile(join(dir, 'real', 'run.json'), 'utf8')) as {
        real: boolean
        transport: string
        ignored: string[]
      }
      assert.deepEqual([run.real, run.transport, run.ignored.length], [true, 'tcp', 1])
    }
  )

  it('does without sockets between the nodes with --transport memory', async () => {
    const world = testWorld()
    assert.equal(
      await world.run(
        'simulate',
        'real',
        'pair',
        '--days',
        '0.2',
        '--transport',
        'memory',
        '--json'
      ),
      0
    )
    const { results, run } = JSON.parse(world.out()) as {
      results: Results
      run: { transport: string }
    }
    assert.equal(run.transport, 'memory')
    assert.ok(results.payments.made > 0 && results.payments.made === results.payments.asked)
    const other = testWorld()
    assert.equal(await other.run('simulate', 'real', 'pair', '--transport', 'udp'), 2)
    assert.match(
      other.err(),
      /'--transport <name>' argument 'udp' is invalid\. Allowed choices are tcp, memory\./
    )
  })

  it('refuses too many nodes, and what is no scenario, before it starts any', async () => {
    await writeFile(
      join(dir, 'crowd.yaml'),
      'name: crowd\ndays: 1\nnodes:\n  member: { count: 51, coins: 0.02btc }\nchannels:\n  - { from: member, to: member, shape: ring, capacity: 400000 }\ntraffic: []\n'
    )
    const crowd = testWorld()
    assert.equal(
      await crowd.run('simulate', 'real', join(dir, 'crowd.yaml'), '--out', join(dir, 'real')),
      2
    )
    assert.match(crowd.err(), /51 nodes, and at most 50 real ones run at once/)
    assert.deepEqual(await readdir(dir), ['crowd.yaml'], 'and makes no directory')
    for (const argv of [['hubb'], [], ['pair', '--days', '0'], ['pair', '--seed', 'x']]) {
      assert.equal(await testWorld().run('simulate', 'real', ...argv), 2, argv.join(' '))
    }
  })
})

describe('paychan simulate sweep', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-sweep-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  it('varies a scenario on several threads, and shows a line for each combination', async () => {
    const world = worldWith()
    assert.equal(
      await world.run(
        'simulate',
        'sweep',
        'pair',
        '--vary',
        'step=1,2',
        '--vary',
        'capacity=100000,200000',
        '--seeds',
        '2',
        '--jobs',
        '3',
        '--out',
        dir
      ),
      0
    )
    assert.match(world.out(), /^step +capacity +runs/m)
    assert.match(world.out(), /^ +2 +200000 +2 /m)
    assert.match(
      world.out(),
      / runs +published +too late +part +foretold +lost /,
      'what came of it beside what was foretold'
    )
    assert.match(world.out(), /^ +2 +200000 +2 +2 +0 +0 % +12\.5 % +0 sat /m)
    assert.match(world.out(), /^ +1 +200000 +2 +0 +0 +- +- +0 sat /m, 'no chance of nothing')
    assert.deepEqual((await readdir(dir)).sort(), ['sweep.html', 'sweep.json'])
    const one = worldWith()
    assert.equal(
      await one.run(
        'simulate',
        'sweep',
        'pair',
        '--vary',
        'step=1,2',
        '--vary',
        'capacity=100000,200000',
        '--seeds',
        '2',
        '--jobs',
        '1',
        '--json'
      ),
      0
    )
    assert.deepEqual(
      (JSON.parse(one.out()) as { sweep: Sweep }).sweep,
      JSON.parse(await readFile(join(dir, 'sweep.json'), 'utf8'))
    )
  })

  it('refuses what does not fit before anything runs', async () => {
    for (const [argv, expected] of [
      [[], /There is nothing to vary/],
      [['--vary', 'stepp=1'], /Did you mean 'step'/],
      [['--vary', 'step=1,2', '--vary', 'step=3'], /'step' is varied twice/],
      [['--vary', 'step=1,700'], /pair\.yaml:\d+:\d+: channels\[0\]\.blocks/],
      [['--vary', 'step=1,2', '--seeds', '6000'], /12,000 runs, and at most 10,000/],
      [['--vary', 'upTo=0.5'], /Nothing in pair\.yaml has a 'upTo'/]
    ] as const) {
      const world = worldWith()
      assert.equal(await world.run('simulate', 'sweep', 'pair', ...argv), 2, argv.join(' '))
      assert.match(world.err(), expected)
    }
  })
})
