import assert from 'node:assert/strict'
import { destinationOf, isStandardScript, scriptOf } from '../../src/bitcoin/address.js'
import { P2PKH, P2SH, P2TR, p2wpkh, P2WSH } from './support.js'

describe('bitcoin / destinations', () => {
  it('are what scripts of a known form pay to, and lead back to them', () => {
    for (const script of [P2PKH, P2SH, P2TR, P2WSH, p2wpkh()]) {
      const to = destinationOf(script)
      assert.deepEqual(to === undefined ? undefined : scriptOf(to), script)
    }
    assert.deepEqual(
      [P2PKH, P2SH, P2TR].map((script) => destinationOf(script)?.kind),
      ['p2pkh', 'p2sh', 'witness']
    )
  })

  for (const [name, script, hash] of [
    ['P2PKH', P2PKH, [3, 23]],
    ['P2SH', P2SH, [2, 22]]
  ] as const) {
    it(`${name}: every byte but those of the hash has to be right, and their number`, () => {
      for (let at = 0; at < script.length; at++) {
        const changed = script.map((byte, i) => (i === at ? byte ^ 1 : byte))
        const isHash = at >= hash[0] && at < hash[1]
        assert.equal(destinationOf(changed) !== undefined, isHash, `byte ${at}`)
        assert.equal(isStandardScript(changed), isHash, `byte ${at}`)
      }
      for (const other of [script.slice(0, -1), Uint8Array.from([...script, script.at(-1) ?? 0])]) {
        assert.equal(destinationOf(other), undefined)
      }
    })
  }
})
