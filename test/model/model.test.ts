/** The checker itself: that small bounds hold, that a trace can be played again, and that it finds faults that are put back. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { explore, replay } from './explore.js'
import { canonical } from './intern.js'
import { MUTANTS } from './mutants.js'
import { STORIES, storyOf } from './stories.js'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const MUTATE = new URL('./mutate.js', import.meta.url).href

/** Runs the checker in a process of its own, with a fault in the code. */
function checkWith (mutant: string, ...args: string[]): Promise<{ code: number, output: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--import', MUTATE, MAIN, '--workers', '0', ...args], { env: { ...process.env, PAYCHAN_MUTANT: mutant } }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: stdout + stderr })
    })
  })
}

describe('the model of small channels', () => {
  for (const story of STORIES) {
    it(`holds for ${story.about}, in the first thousands of states`, () => {
      const { violation, states } = explore(story, { states: 3_000 })
      assert.equal(violation, undefined)
      assert.ok(states >= 3_000, `only ${states} states were reached`)
    })
  }

  it('reaches the same states again, however often it is asked', () => {
    const [a, b] = [explore(storyOf('two-way-honest'), { depth: 7 }), explore(storyOf('two-way-honest'), { depth: 7 })]
    assert.deepEqual([a.states, a.sides, a.transitions], [b.states, b.sides, b.transitions])
  })

  it('tells values apart by what they say, not by where they are', () => {
    assert.equal(canonical({ a: 1n, b: [new Uint8Array([1, 2])], c: undefined }), canonical({ b: [Uint8Array.from([1, 2])], a: 1n }))
    assert.notEqual(canonical({ a: 1n }), canonical({ a: 1 }))
    assert.notEqual(canonical(new Uint8Array([1, 2])), canonical([1, 2]))
  })

  it('plays a story move by move, and refuses a move that cannot happen', () => {
    const heights: number[] = []
    assert.equal(replay(storyOf('one-way-honest'), ['pay client', 'deliver server', 'deliver client', 'wait'], 1, (_move, { height }) => { heights.push(height) }), undefined)
    assert.equal(heights.length, 5)
    assert.throws(() => replay(storyOf('one-way-honest'), ['deliver server'], 1, () => {}), /'deliver server' cannot happen now/)
  })

  for (const { name, story, rule, about } of MUTANTS) {
    it(`finds it when ${about}`, async function () {
      this.timeout(60_000)
      const found = await checkWith(name, '--story', story)
      assert.equal(found.code, 1, found.output)
      assert.match(found.output, new RegExp(`VIOLATION \\(${rule}\\)`))
      const trace = /--replay "(?<moves>[^"]*)"/.exec(found.output)?.groups?.['moves']
      assert.ok(trace !== undefined)
      // The trace shows the fault where it is, and nothing where it is not.
      const again = await checkWith(name, '--story', story, '--replay', trace)
      assert.equal(again.code, 1, again.output)
      assert.equal(replay(storyOf(story), trace.split(', '), 2, () => {}), undefined)
    })
  }
})
