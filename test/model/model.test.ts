/**
 * The checker itself: that small bounds hold, that a trace can be played again, and that it finds
 * faults that are put back.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { sized } from '../size.js'
import { explore, replay } from './explore.js'
import { canonical } from './world.js'
import { MUTANTS } from './mutants.js'
import { STORIES, storyOf } from './stories.js'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const MUTATE = new URL('./mutate.js', import.meta.url).href

/** What the checker has found: shortest traces of losses that were. */
const TRACES: ReadonlyArray<{
  readonly story: string
  readonly about: string
  readonly moves: string
}> = [
  {
    story: 'two-way-client',
    about: 'the newest state is shown, and never mined',
    moves: 'pay server, deliver client, deliver server, pay server, show turn1/2 market none'
  },
  {
    story: 'two-way-server',
    about: 'the newest state is shown, and the oldest one is mined',
    moves: 'pay client, deliver server, deliver client, pay client, show turn2/3 market none'
  },
  {
    story: 'one-way-server',
    about: 'a state that leaves the payer nothing makes it a gift',
    moves: 'pay client, pay client, send turn0/2 market none gift'
  },
  {
    story: 'one-way-server',
    about:
      'a server refuses every refund, and an old state with a parent that no block takes is in the mempools',
    moves: 'server refuses, pin turn0/0 market parent'
  },
  {
    story: 'one-way-client',
    about: 'T2 is shown before its lock',
    moves: 'pay client, deliver server, show T2 huge none'
  },
  {
    story: 'one-way-server',
    about: 'a newer state is shown with a fee of nearly everything',
    moves: 'pay client, show turn0/1 huge none'
  },
  {
    story: 'two-way-server',
    about:
      'a state that one server makes up stops a bid against one that is pinned in the mempools',
    moves:
      'pay client, deliver server, deliver client, pay client, wait, wait, wait, show turn2/3 market none, pin turn2/3 huge parent'
  },
  {
    story: 'one-way-server',
    about:
      'T2 stops at ten times the estimate for ever, below the newest state that is pinned in the mempools',
    moves: 'pay client, pin turn0/1 huge parent'
  },
  {
    story: 'restore-client',
    about:
      'a server on an old copy publishes its older state at once, in the place of a close that it has signed and forgotten',
    moves:
      'pay client, copy server, deliver server, deliver client, wait, deliver client, restore server, connect, deliver server'
  },
  {
    story: 'two-way-client',
    about: 'all of the budget goes into the last bid against one that is pinned',
    moves:
      'pay server, deliver client, deliver server, pay server, wait, wait, wait, wait, wait, wait, pin turn1/2 huge parent'
  },
  {
    story: 'dear-client',
    about:
      'all of the share goes into bids against a close that pays it, and that the side has just sent itself',
    moves: 'dear client, deliver-late server'
  },
  {
    story: 'two-way-client',
    about: 'the same, while one server says that it has taken each bid',
    moves:
      'pay server, deliver client, deliver server, pay server, wait, wait, wait, wait, wait, wait, server takes all, pin turn1/2 huge parent'
  }
]

/** Runs the checker in a process of its own, with a fault in the code. */
function checkWith(mutant: string, ...args: string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--import', MUTATE, MAIN, '--workers', '0', ...args],
      { env: { ...process.env, PAYCHAN_MUTANT: mutant } },
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
      }
    )
  })
}

/** Of each story. */
const STATES = sized({ small: 200, all: 1_000 })
const DEPTH = sized({ small: 5, all: 7 })

describe('the model of small channels', () => {
  for (const story of STORIES) {
    it(`holds for ${story.about}, in the first states`, () => {
      const { violation, states } = explore(story, { states: STATES })
      assert.equal(violation, undefined)
      assert.ok(states >= STATES * (story.part ?? 1), `only ${states} states were reached`)
    })
  }

  it('reaches the same states again, however often it is asked', () => {
    const [a, b] = [
      explore(storyOf('two-way-honest'), { depth: DEPTH }),
      explore(storyOf('two-way-honest'), { depth: DEPTH })
    ]
    assert.deepEqual([a.states, a.sides, a.transitions], [b.states, b.sides, b.transitions])
  })

  it('tells values apart by what they say, not by where they are', () => {
    assert.equal(
      canonical({ a: 1n, b: [new Uint8Array([1, 2])], c: undefined }),
      canonical({ b: [Uint8Array.from([1, 2])], a: 1n })
    )
    assert.notEqual(canonical({ a: 1n }), canonical({ a: 1 }))
    assert.notEqual(canonical(new Uint8Array([1, 2])), canonical([1, 2]))
  })

  it('plays a story move by move, and refuses a move that cannot happen', () => {
    const worlds: string[] = []
    assert.equal(
      replay(
        storyOf('one-way-honest'),
        ['pay client', 'deliver server', 'deliver client', 'wait'],
        1,
        (_move, world) => {
          worlds.push(world)
        }
      ),
      undefined
    )
    assert.equal(worlds.length, 5)
    assert.throws(
      () => replay(storyOf('one-way-honest'), ['deliver server'], 1, () => {}),
      /'deliver server' cannot happen now/
    )
  })

  for (const { story, about, moves } of TRACES) {
    it(`holds where it once did not: ${about}`, () => {
      assert.equal(
        replay(storyOf(story), moves.split(', '), 2, () => {}),
        undefined
      )
    })
  }

  for (const { name, story, rule, about } of sized({ small: MUTANTS.slice(0, 1), all: MUTANTS })) {
    it(`finds it when ${about}`, async () => {
      const found = await checkWith(name, '--story', story, '--states', '20000')
      assert.equal(found.code, 1, found.output)
      assert.match(found.output, new RegExp(`VIOLATION \\(${rule}\\)`))
      const trace = /--replay "(?<moves>[^"]*)"/.exec(found.output)?.groups?.['moves']
      assert.ok(trace !== undefined)
      // The trace shows the fault where it is, and nothing where it is not.
      const again = await checkWith(name, '--story', story, '--replay', trace)
      assert.equal(again.code, 1, again.output)
      assert.equal(
        replay(storyOf(story), trace.split(', '), 2, () => {}),
        undefined
      )
    })
  }
})
