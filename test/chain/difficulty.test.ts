import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  bitsFromTarget,
  type HeaderLookup,
  PERIOD,
  requiredBits,
  retarget,
  targetFromBits
} from '../../src/chain/header.js'
import { chainParams } from '../../src/chain/params.js'

const mainnet = chainParams('mainnet')
const testnet = chainParams('testnet')
const LIMIT = 0x1d00ffff
const HARD = 0x1c05a3f4

/** A header of which only time and difficulty matter. */
function header(time: number, bits: number): Uint8Array {
  const bytes = new Uint8Array(80)
  new DataView(bytes.buffer).setUint32(68, time, true)
  new DataView(bytes.buffer).setUint32(72, bits, true)
  return bytes
}

describe('difficulty', () => {
  // Blocks of mainnet, and one made-up time, which Bitcoin Core's src/test/pow_tests.cpp has as
  // well.
  for (const [what, bits, from, to, expected] of [
    ['block 32256, the first change', 0x1d00ffff, 1_261_130_161, 1_262_152_739, 0x1d00d86a],
    [
      'block 2016: never easier than the limit',
      0x1d00ffff,
      1_231_006_505,
      1_233_061_996,
      0x1d00ffff
    ],
    [
      'block 68544: at most four times as hard',
      0x1c05a3f4,
      1_279_008_237,
      1_279_297_671,
      0x1c0168fd
    ],
    [
      'after ten weeks: at most four times as easy',
      0x1c387f6f,
      1_263_163_443,
      1_269_211_443,
      0x1d00e1fd
    ]
  ] as const) {
    it(`of ${what}`, () => {
      assert.equal(retarget(mainnet, bits, to - from), expected)
    })
  }

  it('has a compact form whose mantissa is shifted up for targets below three bytes, and never has the bit of a sign', () => {
    const forms: ReadonlyArray<readonly [target: bigint, bits: number]> = [
      [0x12n, 0x01120000],
      [0x7fn, 0x017f0000],
      [0x80n, 0x02008000],
      [0x1234n, 0x02123400],
      [0x8000n, 0x03008000],
      [0x123456n, 0x03123456],
      [0x800000n, 0x04008000],
      [0x12345678n, 0x04123456],
      [0x92340000n, 0x05009234]
    ]
    for (const [target, bits] of forms) {
      assert.equal(bitsFromTarget(target).toString(16), bits.toString(16), target.toString(16))
    }
  })

  it('changes after 2,016 blocks, by their first and their last', () => {
    const at: HeaderLookup = (height) =>
      height === 0
        ? header(1_261_130_161, LIMIT)
        : height === PERIOD - 1
          ? header(1_262_152_739, LIMIT)
          : undefined
    assert.equal(requiredBits(mainnet, PERIOD, 1_262_153_464, at), 0x1d00d86a)
    assert.equal(
      requiredBits(mainnet, PERIOD, 1_262_153_464, (height) =>
        height === 0 ? undefined : at(height)
      ),
      undefined,
      'not without the first'
    )
  })

  it('stays as it is in between, however long a block takes', () => {
    const at: HeaderLookup = () => header(1_700_000_000, HARD)
    for (const network of ['mainnet', 'signet'] as const) {
      assert.equal(requiredBits(chainParams(network), PERIOD + 1, 1_700_100_000, at), HARD)
    }
  })

  describe('of testnet', () => {
    const chain = new Map([
      [PERIOD, header(1_000, HARD)],
      [PERIOD + 1, header(2_000, HARD)],
      [PERIOD + 2, header(4_000, LIMIT)],
      [PERIOD + 3, header(6_000, LIMIT)]
    ])
    const at: HeaderLookup = (height) => chain.get(height)

    it('is the lowest after twenty minutes without a block, not one second before', () => {
      assert.equal(requiredBits(testnet, PERIOD + 4, 6_000 + 1_201, at), LIMIT)
      assert.equal(requiredBits(testnet, PERIOD + 4, 6_000 + 1_200, at), HARD)
    })

    it('goes back to that of the last block that was not an exception', () => {
      assert.equal(requiredBits(testnet, PERIOD + 4, 6_100, at), HARD)
      assert.equal(
        requiredBits(testnet, PERIOD + 4, 6_100, (height) =>
          height < PERIOD + 3 ? undefined : at(height)
        ),
        undefined
      )
    })

    it('is what the period began with when all were exceptions', () => {
      assert.equal(
        requiredBits(testnet, PERIOD + 2, 3_000, (height) =>
          header(1_000 * (height - PERIOD + 1), LIMIT)
        ),
        LIMIT
      )
    })
  })

  it('of testnet4 follows from the first block of the period, which is never an exception (BIP94)', () => {
    // All but the first of them are exceptions, as a miner may make them.
    const at: HeaderLookup = (height) =>
      header(1_700_000_000 + (height % PERIOD) * 600, height % PERIOD === 0 ? HARD : LIMIT)
    const seconds = (PERIOD - 1) * 600
    assert.equal(
      requiredBits(chainParams('testnet4'), 2 * PERIOD, 1_800_000_000, at),
      retarget(testnet, HARD, seconds)
    )
    assert.equal(
      requiredBits(testnet, 2 * PERIOD, 1_800_000_000, at),
      retarget(testnet, LIMIT, seconds)
    )
    // And the exception is one as before.
    assert.equal(
      requiredBits(chainParams('testnet4'), PERIOD + 4, 1_700_000_000 + 3 * 600 + 1_201, at),
      LIMIT
    )
    assert.equal(
      requiredBits(chainParams('testnet4'), PERIOD + 4, 1_700_000_000 + 3 * 600 + 1_200, at),
      HARD
    )
  })

  it('of regtest never changes', () => {
    assert.equal(
      requiredBits(chainParams('regtest'), PERIOD, 2_000_000_000, () => header(1_000, 0x207fffff)),
      0x207fffff
    )
  })

  it('the compact form keeps three bytes of a target, and reads back', () => {
    for (const bits of [
      0x1d00ffff, 0x1c05a3f4, 0x01120000, 0x02008000, 0x05009234, 0x207fffff, 0x1e0377ae
    ]) {
      assert.equal(bitsFromTarget(targetFromBits(bits) ?? 0n), bits)
    }
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: (1n << 255n) - 1n }), (target) => {
        const back = targetFromBits(bitsFromTarget(target)) ?? 0n
        assert.ok(back <= target && target - back <= target >> 15n, `${target}`)
      })
    )
  })
})
