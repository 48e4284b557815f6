import assert from 'node:assert/strict'
import { dustThreshold, isPushOnly, scriptKind, witnessProgram } from '../../src/devnet/scripts.js'
import { fromHex, toHex } from '../../src/types/bytes.js'
import { alice, bob } from './support.js'

const A = toHex(alice.publicKey)
const B = toHex(bob.publicKey)

describe('devnet / scripts', () => {
  const kinds: [string, string][] = [
    [`0014${'11'.repeat(20)}`, 'p2wpkh'],
    [`0020${'11'.repeat(32)}`, 'p2wsh'],
    [`5120${'11'.repeat(32)}`, 'p2tr'],
    ['51024e73', 'p2a'],
    [`5220${'11'.repeat(32)}`, 'witness-unknown'],
    [`5114${'11'.repeat(20)}`, 'witness-unknown'],
    [`0015${'11'.repeat(21)}`, 'nonstandard'],
    [`76a914${'11'.repeat(20)}88ac`, 'p2pkh'],
    [`76a914${'11'.repeat(20)}88ad`, 'nonstandard'],
    [`a914${'11'.repeat(20)}87`, 'p2sh'],
    [`21${A}ac`, 'p2pk'],
    [`5121${A}51ae`, 'multisig'],
    [`5221${A}21${B}52ae`, 'multisig'],
    [`5321${A}21${B}52ae`, 'nonstandard'],
    [`5221${A}21${B}53ae`, 'nonstandard'],
    ['6a', 'op-return'],
    ['6a0401020304', 'op-return'],
    ['6a04010203', 'nonstandard'],
    ['6a76', 'nonstandard'],
    ['', 'nonstandard'],
    ['51', 'nonstandard']
  ]
  for (const [hex, kind] of kinds) {
    it(`calls ${hex.slice(0, 24)}${hex.length > 24 ? '...' : ''} ${kind}`, () => {
      assert.equal(scriptKind(fromHex(hex)), kind)
    })
  }

  it('reads a witness program', () => {
    assert.deepEqual(witnessProgram(fromHex(`6020${'22'.repeat(32)}`)), {
      version: 16,
      program: fromHex('22'.repeat(32))
    })
    assert.equal(witnessProgram(fromHex('510101')), undefined)
  })

  it('knows pushes of every length from operators', () => {
    for (const hex of ['', '00', '60', '4f', '4c0101', '4d010001', '4e0100000001']) {
      assert.ok(isPushOnly(fromHex(hex)), hex)
    }
    for (const hex of ['61', '4c', '4c02ff', '4d01', '4e01000000', '02ff', '4effffffff']) {
      assert.ok(!isPushOnly(fromHex(hex)), hex)
    }
  })

  it('asks nothing of an output that nobody can spend', () => {
    assert.equal(dustThreshold(fromHex('6a0101')), 0n)
  })
})
