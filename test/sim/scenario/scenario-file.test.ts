import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { congestedMonth, formatTrace } from '../../../src/devnet/index.js'
import { makePlan } from '../../../src/sim/plan.js'
import { type Problem, ScenarioError } from '../../../src/sim/scenario/problems.js'
import {
  loadScenario,
  parseScenario,
  presetNames,
  type ReadFile,
  readScenarioText
} from '../../../src/sim/scenario/scenario-file.js'
import type { Scenario } from '../../../src/sim/scenario/scenario.js'
import { PaychanError } from '../../../src/types/errors.js'

const PAIR = `name: pair
days: 2
nodes:
  alice: { coins: 0.02btc }
  bob: { coins: 0 }
channels:
  - { from: alice, to: bob, capacity: 500000sat }
traffic:
  - { from: alice, to: bob, every: 1h, amount: 1000 }
`

const noFiles: ReadFile = () => {
  throw new Error('ENOENT')
}

function parse(text: string, readFile = noFiles): Scenario {
  return parseScenario(text, { file: 'pair.yaml', readFile })
}

function problemsOf(text: string, readFile = noFiles): readonly Problem[] {
  try {
    parse(text, readFile)
  } catch (error) {
    assert.ok(error instanceof ScenarioError, String(error))
    return error.problems
  }
  return assert.fail('it was accepted')
}

/** The only problem, as people read it. */
function problemOf(text: string, readFile = noFiles): string {
  const problems = problemsOf(text, readFile)
  assert.equal(problems.length, 1, problems.map(({ sentence }) => sentence).join('\n'))
  const [{ file, line, column, sentence } = { file: '', line: 0, column: 0, sentence: '' }] =
    problems
  return `${file}:${line}:${column}: ${sentence}`
}

/** The pair with one line replaced. */
function changed(line: number, text: string): string {
  return PAIR.split('\n')
    .map((old, i) => (i === line - 1 ? text : old))
    .join('\n')
}

describe('a scenario file', () => {
  it('is read with its defaults', () => {
    const { nodes, channels, traffic, chain, network, ...rest } = parse(PAIR)
    assert.deepEqual(rest, {
      name: 'pair',
      description: '',
      seed: 1,
      duration: 172_800,
      faults: [],
      servers: [],
      adversaries: [],
      sample: 720,
      model: false
    })
    assert.deepEqual(nodes, [
      { name: 'alice', count: 1, coins: 2_000_000n, policy: {} },
      { name: 'bob', count: 1, coins: 0n, policy: {} }
    ])
    assert.deepEqual(channels, [
      {
        from: 'alice',
        to: 'bob',
        shape: 'each',
        degree: 1,
        capacity: 500_000n,
        blocks: 1_008,
        step: undefined,
        opens: { from: 0, until: 0 },
        then: 'nothing'
      }
    ])
    assert.deepEqual(traffic, [
      {
        from: 'alice',
        to: 'bob',
        every: { kind: 'constant', value: 3_600 },
        amount: { kind: 'constant', value: 1_000 },
        back: 0,
        payee: 'partner',
        hours: undefined,
        during: { from: 10_800, until: 172_800 }
      }
    ])
    assert.deepEqual(chain, {
      interval: { kind: 'exponential', mean: 600 },
      blockVsize: 1_000_000,
      fees: { kind: 'constant', rate: 5_000n },
      relay: 1_000n,
      reorgs: undefined
    })
    assert.deepEqual(network, { latency: { kind: 'constant', value: 50 }, loss: 0, partitions: [] })
  })

  it('says everything in units that people use', () => {
    const scenario = parse(`${PAIR}chain:
  interval: { uniform: [8min, 720s] }
  blockVsize: 100000
  fees: { steps: { 0: 5, 144: 120.5sat/vB } }
  relay: 0.1
  reorgs: { every: { exponential: 2d }, depth: 2 }
network:
  latency: { lognormal: { median: 80ms, sigma: 0.5 } }
  loss: 0.1%
  partitions: [{ between: [alice, bob], during: [36blocks, 12h] }]
faults:
  - { kind: crash, who: bob, every: { exponential: 1w }, down: 5min, losesWrites: 3 }
  - { kind: clock-skew, who: alice, seconds: { uniform: [0, 2min] } }
adversaries:
  - { kind: publish-old, who: alice, upTo: 50% }
  - { kind: flood, who: alice, perSecond: 20 }
sample: 1h
model: true
`)
    assert.deepEqual(scenario.chain, {
      interval: { kind: 'uniform', least: 480, most: 720 },
      blockVsize: 100_000,
      fees: {
        kind: 'trace',
        points: [
          { height: 0, rate: 5_000n },
          { height: 144, rate: 120_500n }
        ]
      },
      relay: 100n,
      reorgs: {
        every: { kind: 'exponential', mean: 172_800 },
        depth: { kind: 'constant', value: 2 }
      }
    })
    assert.deepEqual(scenario.network, {
      latency: { kind: 'lognormal', median: 80, sigma: 0.5 },
      loss: 0.001,
      partitions: [{ between: ['alice', 'bob'], during: { from: 21_600, until: 43_200 } }]
    })
    assert.deepEqual(scenario.faults, [
      {
        kind: 'crash',
        who: 'bob',
        every: { kind: 'exponential', mean: 604_800 },
        down: { kind: 'constant', value: 300 },
        orderly: false,
        losesWrites: 3
      },
      { kind: 'clock-skew', who: 'alice', seconds: { kind: 'uniform', least: 0, most: 120 } }
    ])
    assert.deepEqual(scenario.adversaries, [
      { kind: 'publish-old', who: 'alice', upTo: 0.5 },
      { kind: 'flood', who: 'alice', perSecond: 20 }
    ])
    assert.deepEqual([scenario.sample, scenario.model], [3_600, true])
  })

  it('is refused at the line and column of what is wrong, with what to write instead', () => {
    const cases: ReadonlyArray<readonly [line: number, text: string, problem: RegExp]> = [
      [2, 'days: 2\ndayz: 2', /^pair\.yaml:3:1: There is no key 'dayz'\. Did you mean 'days'\?/],
      [
        2,
        'days: -1',
        /^pair\.yaml:2:7: days: It must be a number from 0\.01 to 3,650; it is -1\.$/
      ],
      [2, 'days: 2\nseed: 1.5', /^pair\.yaml:3:7: seed: It must be a whole number/],
      [
        4,
        '  alice: { coins: 2coins }',
        /^pair\.yaml:4:19: nodes\.alice\.coins: '2coins' is not an amount\. Write 1000/
      ],
      [
        4,
        '  alice: { coins: 0.02btc, count: 0 }',
        /^pair\.yaml:4:35: nodes\.alice\.count: .* from 1 to 1,000,000; it is 0/
      ],
      [
        4,
        '  alice: { coins: 0.02btc, policy: { maxStke: 5 } }',
        /^pair\.yaml:4:38: There is no key 'maxStke' in nodes\.alice\.policy\. Did you mean 'maxStake'\?/
      ],
      [
        4,
        '  alice: { coins: 500000 }',
        /^pair\.yaml:4:19: nodes\.alice\.coins: Each 'alice' funds channels of 500,000 sat .* give it more/
      ],
      [
        4,
        '  alice: { count: 2, coins: 1btc }\n  alice-2: { coins: 0 }',
        /^pair\.yaml:5:3: nodes\.alice-2: One of the nodes of 'alice' is called 'alice-2', too/
      ],
      [
        5,
        '  bob: { coins: 0, policy: { maxCapacity: 400000 } }',
        /^pair\.yaml:7:39: channels\[0\]\.capacity: A 'bob' takes channels of 10,000 sat to 400,000 sat/
      ],
      [
        7,
        '  - { from: alice, to: bb, capacity: 500000sat }',
        /^pair\.yaml:7:24: channels\[0\]\.to: There is no group 'bb' under nodes\. Did you mean 'bob'\?/
      ],
      [
        7,
        '  - { from: alice, to: bob, capacity: 5000 }',
        /^pair\.yaml:7:39: channels\[0\]\.capacity: A 'bob' takes channels of 10,000 sat to 1,300,000 sat/
      ],
      [
        7,
        '  - { from: alice, to: bob, capacity: 500000, blocks: 7h }',
        /^pair\.yaml:7:55: channels\[0\]\.blocks: A 'bob' takes channels of 55 to 8064 blocks; 42/
      ],
      [
        7,
        '  - { from: alice, to: bob, capacity: 500000, step: 144, blocks: 300 }',
        /^pair\.yaml:7:66: .* never changes its turn: it takes 313 blocks or more/
      ],
      [
        7,
        '  - { from: alice, to: bob, capacity: 500000, blocks: 90, then: renew }',
        /less than half are left for payments, .* write 98 blocks or more/
      ],
      [
        7,
        '  - { from: alice, to: bob, capacity: 500000, shape: random, degree: 2 }',
        /^pair\.yaml:7:70: .* only 1 others/
      ],
      [
        7,
        '  - { from: alice, to: bob, capacity: 500000, shape: random }',
        /^pair\.yaml:7:5: .* write degree: 2/
      ],
      [
        7,
        '  - { from: alice, to: bob, capacity: 500000, degree: 2 }',
        /^pair\.yaml:7:47: .* take it away, or change the shape/
      ],
      [
        7,
        '  - { from: alice, to: bob, capacity: 500000, opens: [0, 3d] }',
        /^pair\.yaml:7:54: .* The scenario lasts 2 days/
      ],
      [
        9,
        '  - { from: alice, to: bob, every: 1h, amount: -4 }',
        /^pair\.yaml:9:48: traffic\[0\]\.amount: It must be an amount above zero.*; it is -4\./
      ],
      [
        9,
        '  - { from: alice, to: bob, every: { exponential: -1h }, amount: 4 }',
        /^pair\.yaml:9:51: traffic\[0\]\.every\.exponential: It must be a time with its unit, .* it is '-1h'/
      ],
      [
        9,
        '  - { from: alice, to: bob, every: { exponental: 1h }, amount: 4 }',
        /^pair\.yaml:9:36: .* no distribution 'exponental'\. Did you mean 'exponential'\?/
      ],
      [
        9,
        '  - { from: alice, to: bob, every: 10, amount: 4 }',
        /^pair\.yaml:9:36: .* 10 has no unit/
      ],
      [
        9,
        '  - { from: alice, to: bob, every: 10mn, amount: 4 }',
        /^pair\.yaml:9:36: .* There is no unit 'mn' of time/
      ],
      [9, '  - { from: alice, to: bob, every: 0, amount: 4 }', /^pair\.yaml:9:36: .* above zero/],
      [
        9,
        '  - { from: alice, to: bob, every: 1h, amount: 4, back: 0.5 }',
        /^pair\.yaml:9:57: .* one-way, and nothing can be paid back on them; give them a step/
      ],
      [
        9,
        '  - { from: bob, to: alice, every: 1h, amount: 4 }',
        /^pair\.yaml:9:13: .* one-way, and only 'alice' pays on them/
      ],
      [
        9,
        '  - { from: alice, to: alice, every: 1h, amount: 4 }',
        /^pair\.yaml:9:24: .* no channels between 'alice' and 'alice'/
      ],
      [
        9,
        '  - { from: alice, to: bob, every: 1h, amount: 0.006btc }',
        /^pair\.yaml:9:48: .* above the capacity of the channels, which is 500,000 sat/
      ],
      [
        9,
        '  - { from: alice, to: bob, every: 1ms, amount: 1 }\n  - { from: alice, to: bob, every: 1h, amount: 1, during: [2h, 1h] }',
        /^pair\.yaml:10:59: .* A span ends after it begins/
      ],
      [
        10,
        'chain: { fees: -4 }',
        /^pair\.yaml:10:16: chain\.fees: It must be a fee rate from 0\.1 to 100,000 in sat\/vB/
      ],
      [
        10,
        'chain: { fees: { steps: { 1: 4 } } }',
        /^pair\.yaml:10:25: .* The first step is that of block 0/
      ],
      [
        10,
        'chain: { reorgs: { every: 1d, dept: 2 } }',
        /^pair\.yaml:10:31: There is no key 'dept' in chain\.reorgs\. Did you mean 'depth'\?/
      ],
      [
        10,
        'network: { partitions: [{ between: [alice, rob], during: [0, 1h] }] }',
        /^pair\.yaml:10:44: .* no group 'rob' under nodes\. Did you mean 'bob'\?/
      ],
      [
        10,
        'faults: [{ kind: crsh, who: bob }]',
        /^pair\.yaml:10:18: faults\[0\]\.kind: .* Did you mean 'crash'\?/
      ],
      [
        10,
        'faults: [{ kind: crash, who: rob, every: 1h, down: 1h }]',
        /^pair\.yaml:10:30: .* no group 'rob'/
      ],
      [
        10,
        'adversaries: [{ kind: silent, who: bob, from: 1h, until: 2h }]',
        /^pair\.yaml:10:51: There is no key 'until' in adversaries\[0\]/
      ],
      [10, 'sample: 1s', /^pair\.yaml:10:9: .* more than 100,000 points/]
    ]
    const wrong = cases.flatMap(([line, text, expected]) => {
      const problem = problemOf(changed(line, text))
      return expected.test(problem) ? [] : [`${text}\n${problem}`]
    })
    assert.deepEqual(wrong, [])
  })

  it('refuses topologies that cannot be', () => {
    const ring = PAIR.replace('to: bob, capacity', 'to: alice, shape: ring, capacity').replace(
      'to: bob, every',
      'to: alice, every'
    )
    assert.match(problemOf(ring), /^pair\.yaml:7:38: .* A ring takes two nodes or more/)
    assert.match(
      problemsOf(PAIR.replace('to: bob, capacity', 'to: bob, shape: ring, capacity'))[0]
        ?.sentence ?? '',
      /A ring is within one group/
    )
    const alone = PAIR.replace('to: bob, capacity', 'to: alice, capacity').replace(
      'to: bob, every',
      'to: alice, every'
    )
    assert.match(problemOf(alone), /There is only one 'alice', and nobody else/)
  })

  it('tells of everything that is wrong at once, in the order of the lines', () => {
    const problems = problemsOf(
      changed(9, '  - { from: alice, to: bob, every: never, amount: none }')
        .replace('days: 2', 'days: two')
        .replace('0.02btc', 'plenty')
    )
    assert.deepEqual(
      problems.map(({ line, column }) => [line, column]),
      [
        [2, 7],
        [4, 19],
        [9, 36],
        [9, 51]
      ]
    )
    const meaning = problemsOf(
      PAIR.replaceAll('to: bob', 'to: bb').replace(
        'days: 2',
        'days: 2\nfaults: [{ kind: disk-full, who: carol, every: 1d, down: 1h }]'
      )
    )
    assert.deepEqual(
      meaning.map(({ line }) => line),
      [3, 8, 10]
    )
  })

  it('is an error with a code, the place of the first problem, and all of them among its facts', () => {
    assert.throws(
      () => parse('days: 2\nseed: x\n'),
      (error: unknown) =>
        error instanceof PaychanError &&
        error.code === 'ERR_SCENARIO_INVALID' &&
        error.facts['line'] === 1 &&
        /and 3 more/.test(error.message) &&
        String(error.facts['problems']).split('\n').length === 4
    )
  })
})

describe('a fee trace', () => {
  const withTrace = `${PAIR}chain: { fees: { trace: fees.csv, from: 12 } }\n`
  const read =
    (text: string): ReadFile =>
    (name) => ({ text, file: name })

  it('is what `paychan devnet trace` prints, cut at the block that the scenario begins with', () => {
    const trace = congestedMonth(1)
    const { fees } = parse(withTrace, read(formatTrace(trace))).chain
    assert.ok(fees.kind === 'trace')
    assert.deepEqual(fees.points.slice(0, 2), [
      { height: 0, rate: trace[2]?.rate },
      { height: 6, rate: trace[3]?.rate }
    ])
    assert.equal(fees.points.length, trace.length - 2)
  })

  it('begins in the middle of a value', () => {
    const { fees } = parse(withTrace.replace('12', '9'), read(formatTrace(congestedMonth(1)))).chain
    assert.ok(fees.kind === 'trace')
    assert.deepEqual(
      fees.points.slice(0, 3).map(({ height }) => height),
      [0, 3, 9]
    )
  })

  it('is refused at its own line when it has gaps, is out of order or is no trace', () => {
    for (const [text, expected] of [
      [
        '0,5\n6,7\n18,8\n',
        /^fees\.csv:3:1: After block 6 comes block 12, and here is 18: the lines are 6 blocks apart/
      ],
      ['0,5\n6,7\n3,8\n', /^fees\.csv:3:1: Block 3 does not come after block 6; sort/],
      ['6,5\n12,7\n', /^fees\.csv:1:1: A trace begins with block 0/],
      ['0,5\n6;7\n', /^fees\.csv:2:1: A line is a height and a fee rate/],
      ['0,5\n6,-7\n', /^fees\.csv:2:1: It must be a fee rate/],
      ['# nothing\n', /^fees\.csv:1:1: A trace has lines/]
    ] as const) {
      assert.match(problemOf(withTrace, read(text)), expected)
    }
  })

  it('is refused when it is shorter than the scenario, or not there', () => {
    assert.match(
      problemOf(withTrace, read('0,5\n6,7\n')),
      /^pair\.yaml:10:16: chain\.fees: The trace fees\.csv ends with block 11, and from 12 on the scenario takes about 288 blocks/
    )
    assert.match(
      problemOf(withTrace),
      /^pair\.yaml:10:25: chain\.fees\.trace: The trace fees\.csv cannot be read \(ENOENT\)/
    )
  })
})

describe('hostile YAML', () => {
  it('has no anchors, aliases, tags, or two keys of a name', () => {
    const lol = [
      'a: &a [x, x]',
      ...'bcdefghij'
        .split('')
        .map((name, i) => `${name}: &${name} [${`*${'abcdefghij'[i]}, `.repeat(10)}]`)
    ].join('\n')
    assert.ok(problemsOf(lol).some(({ sentence }) => sentence.includes('no aliases')))
    assert.match(problemOf('a: !!js/function "x"'), /^pair\.yaml:1:4: This is not YAML/)
    assert.match(problemOf('a: !mine x'), /^pair\.yaml:1:4: /)
    assert.match(problemOf('days: 1\ndays: 2'), /^pair\.yaml:2:1: 'days' stands here twice/)
    assert.match(problemOf('? [a]\n: 1'), /A key is a word/)
  })

  it('does not reach the prototype of anything', () => {
    assert.match(problemOf('__proto__: { polluted: true }'), /There is no key '__proto__'/)
    assert.match(
      problemsOf('constructor: { prototype: { polluted: true } }')
        .map(({ sentence }) => sentence)
        .join(),
      /There is no key 'constructor'/
    )
    assert.match(
      problemsOf(PAIR.replaceAll('to: bob', 'to: constructor'))[0]?.sentence ?? '',
      /There is no group 'constructor'/
    )
    assert.equal(({} as { polluted?: true }).polluted, undefined)
  })

  it('is refused quickly when it is huge or deep', () => {
    assert.match(problemOf('x'.repeat(300_000)), /at most 200,000 characters/)
    for (const text of [
      '['.repeat(100_000),
      '{a: '.repeat(40_000),
      '- '.repeat(90_000),
      '? '.repeat(90_000),
      ': '.repeat(90_000),
      Array.from({ length: 600 }, (_, i) => `${' '.repeat(i)}k:`).join('\n')
    ]) {
      assert.match(problemOf(text), /nested 50 deep/)
    }
    assert.equal(
      problemsOf(Array.from({ length: 9_000 }, (_, i) => `key${i}: 1`).join('\n')).length,
      50
    )
  })

  it('is a ScenarioError or a scenario, whatever it is', () => {
    const words = fc.constantFrom(
      'name',
      'days',
      'nodes',
      'channels',
      ':',
      ': ',
      '- ',
      '\n',
      '  ',
      '{',
      '}',
      '[',
      ']',
      '"',
      "'",
      '&a',
      '*a',
      '!!x',
      '|',
      '>',
      '? ',
      '#',
      '1',
      '-1',
      '1e999',
      '.nan',
      '.inf',
      'null',
      '~',
      '%YAML 1.1\n---\n',
      '<<: ',
      ',',
      '\t',
      '\u0000',
      '\ud800'
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(words, fc.string()), { maxLength: 40 }), (parts) => {
        try {
          parse(parts.join(''))
        } catch (error) {
          assert.ok(error instanceof ScenarioError, String(error))
          for (const { line, column } of error.problems) assert.ok(line >= 1 && column >= 1)
        }
      }),
      { numRuns: 300 }
    )
  })

  it('and values of the wrong kind anywhere are told of, never thrown as something else', () => {
    const keys = [
      'name',
      'description',
      'seed',
      'days',
      'nodes',
      'channels',
      'traffic',
      'chain',
      'network',
      'faults',
      'adversaries',
      'sample',
      'model'
    ]
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.json({ maxDepth: 3 }), (key, value) => {
        try {
          parse(
            `${PAIR.split('\n')
              .filter((line) => !line.startsWith(`${key}:`))
              .join('\n')}\n${key}: ${value}\n`
          )
        } catch (error) {
          assert.ok(error instanceof ScenarioError, String(error))
          assert.ok(
            error.problems.every(({ sentence }) => !sentence.includes('nonoptional')),
            error.message
          )
        }
      }),
      { numRuns: 300 }
    )
  })
})

describe('the presets', () => {
  it('are those that the documentation names', () => {
    assert.deepEqual(presetNames(), [
      'bad-week',
      'hostile',
      'hub',
      'marketplace',
      'outage',
      'pair',
      'random',
      'ring',
      'scale-free'
    ])
  })

  it('are sound, carry their own name, and say in a sentence what they are', () => {
    for (const preset of presetNames()) {
      const { name, description, seed } = loadScenario(preset)
      assert.equal(name, preset)
      assert.match(description, /^[A-Z].{20,100}\.$/)
      assert.equal(seed, 1)
    }
  })

  it('are commented, and small enough to run in seconds', () => {
    for (const preset of presetNames()) {
      assert.match(readScenarioText(preset).text, /^# /)
      const plan = makePlan(loadScenario(preset))
      let payments = 0
      for (const each = plan.payments(); each.next().done !== true;) payments++
      assert.ok(
        plan.openings.length <= 100 && payments > 100 && payments < 10_000,
        `${preset}: ${plan.openings.length} channels, ${payments} payments`
      )
    }
  })

  it('take their fee trace from beside them', () => {
    const { fees } = loadScenario('bad-week').chain
    assert.ok(fees.kind === 'trace' && fees.points.length > 100)
  })
})

describe('a scenario by its name', () => {
  let dir: string
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-scenario-'))
  })
  afterEach(async () => {
    await rm(dir, { recursive: true, force: true })
  })

  it('is a file, with its trace beside it', async () => {
    await writeFile(
      join(dir, 'mine.yaml'),
      'name: mine\ndays: 1\nnodes: { a: { count: 2, coins: 1btc } }\nchannels: [{ from: a, to: a, shape: ring, capacity: 20000 }]\nchain: { fees: { trace: fees.csv } }\n'
    )
    await writeFile(join(dir, 'fees.csv'), '0,5\n144,8\n')
    assert.deepEqual(loadScenario(join(dir, 'mine.yaml')).chain.fees, {
      kind: 'trace',
      points: [
        { height: 0, rate: 5_000n },
        { height: 144, rate: 8_000n }
      ]
    })
  })

  it('that is none is refused, with the preset that was meant', () => {
    assert.throws(
      () => loadScenario('hubb'),
      (error: unknown) =>
        error instanceof PaychanError &&
        error.code === 'ERR_NO_SCENARIO' &&
        /Did you mean the preset 'hub'\?/.test(error.message)
    )
    assert.throws(() => loadScenario(dir), /it is not a file/)
  })

  it('that is huge is refused before it is read', async () => {
    await writeFile(join(dir, 'huge.yaml'), Buffer.alloc(1_000_000, 32))
    assert.throws(
      () => loadScenario(join(dir, 'huge.yaml')),
      /it has 1,000,000 bytes, and at most 400,000 are read/
    )
  })
})
