import assert from 'node:assert/strict'
import { EQUIVALENT } from './equivalent.js'
import { allMutants, isOf } from './mutants.js'
import { marked, mutated, mutationsOf } from './mutations.js'

/** The code with each of its mutations. */
const all = (source: string): string[] =>
  mutationsOf(source).map((mutation) => mutated(source, mutation))

describe('mutants', () => {
  it('of comparisons and arithmetic, one at a time', () => {
    assert.deepEqual(all('const f = (a, b) => a < b + 1'), [
      'const f = (a, b) => a <= b + 1',
      'const f = (a, b) => a < b - 1'
    ])
    assert.deepEqual(all('x = a >= b && !c').slice(1), [
      'x = a > b && !c',
      'x = a >= b || !c',
      'x = a >= b && c'
    ])
  })

  it('of guards and statements', () => {
    assert.deepEqual(all('if (a) f()'), ['if (true) f()', 'if (false) f()', 'if (a) ;'])
    assert.deepEqual(all('const x = a ? 1 : 2'), [
      'const x = true ? 1 : 2',
      'const x = false ? 1 : 2'
    ])
    assert.deepEqual(all('const f = () => { throw a }'), ['const f = () => { ; }'])
  })

  it('not of what only makes a text', () => {
    assert.deepEqual(all(['const x = `$', '{a + b}` + "c"'].join('')), [])
  })

  it('of `a || b` are reached as soon as `a` is: that `b` does not run is what `&&` changes', () => {
    const source = 'const f = (a, b) => { return a || b }'
    const [or] = mutationsOf(source)
    assert.equal(source.slice(or?.within.begin, or?.within.end), 'a || b')
  })

  it('are marked where they are reached, around what is in them and behind what ends before them', () => {
    const source = 'if (a < b && c) f(d + 1);g();'
    const places = mutationsOf(source).map(({ within }) => within)
    const once = places.filter(
      ({ begin, end }, n) => places.findIndex((p) => p.begin === begin && p.end === end) === n
    )
    assert.equal(
      marked(source, once, ({ begin }) => `at(${begin})`),
      'if ((at(4), (at(4), a < b) && c)) { at(16); f((at(18), d + 1)); }{ at(25); g(); }'
    )
  })

  describe('of the money rooms', () => {
    const mutants = allMutants()

    it('have the line of the source, and a text around them that is there once', () => {
      assert.ok(mutants.length > 3_000)
      const stop = mutants.filter(({ module }) => module === 'channel/stopping')
      assert.ok(stop.length > 0 && stop.every(({ line }) => line > 8 && line < 300))
    })

    it('judged equivalent are still there, each with a reason; else the judgement is out of date', () => {
      for (const judged of EQUIVALENT) {
        assert.equal(
          mutants.filter((mutant) => isOf(judged, mutant)).length,
          1,
          `${judged.module}: ${judged.from} -> ${judged.to}`
        )
        assert.ok(judged.reason.length > 20)
      }
    })
  })
})
