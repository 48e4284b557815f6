import assert from 'node:assert/strict'
import { concat } from 'uint8arrays'
import fc from 'fast-check'
import {
  bitsFromTarget,
  checkHeader,
  checkHeaders,
  clockBehind,
  hashText,
  headerHash,
  type HeaderLookup,
  merkleRoot,
  PERIOD,
  requiredBits,
  retarget,
  targetFromBits,
  timeOf,
  workFromBits
} from '../../src/chain/header.js'
import { HeaderChain } from '../../src/chain/headers.js'
import { chainParams, type ChainParams } from '../../src/chain/params.js'
import { codeOf } from '../../src/types/errors.js'
import { makeHeader } from './fake-chain.js'

const params = chainParams('regtest')
const genesisHash = headerHash(params.genesis)
const genesisAlone: HeaderLookup = (height) => (height === 0 ? params.genesis : undefined)
const root = new Uint8Array(32).fill(7)

describe('block header', () => {
  it('knows the first blocks of all networks by their published hashes', () => {
    assert.equal(
      hashText(headerHash(chainParams('mainnet').genesis)),
      '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f'
    )
    assert.equal(
      hashText(headerHash(chainParams('testnet').genesis)),
      '000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943'
    )
    assert.equal(
      hashText(headerHash(chainParams('testnet4').genesis)),
      '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043'
    )
    assert.equal(
      hashText(headerHash(chainParams('signet').genesis)),
      '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6'
    )
    assert.equal(
      hashText(headerHash(chainParams('regtest').genesis)),
      '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206'
    )
  })

  it('reads compact targets as Bitcoin Core does', () => {
    assert.equal(targetFromBits(0x1d00ffff), 0xffffn << 208n)
    assert.equal(targetFromBits(0x01120000), 0x12n)
    assert.equal(targetFromBits(0x02008000), 0x80n)
    assert.equal(targetFromBits(0x05009234), 0x92340000n)
    for (const bits of [0x00000000, 0x01003456, 0x04923456, 0xff123456, 0x1d000000]) {
      assert.equal(targetFromBits(bits), undefined)
    }
  })

  it('counts the work of the first mainnet block as 2^32 + 2^16 + 1', () => {
    assert.equal(workFromBits(0x1d00ffff), 0x100010001n)
    assert.equal(workFromBits(0x207fffff), 2n)
  })

  it('counts the hashes up to and with the target, and no work where no target is named', () => {
    assert.equal(workFromBits(0x03000003), 1n << 254n)
    assert.equal(workFromBits(0), 0n)
  })

  it('accepts a header that follows, and shows its merkle root', () => {
    const header = makeHeader(params.genesis, root)
    assert.deepEqual(checkHeader(params, genesisAlone, genesisHash, header, 1), headerHash(header))
    assert.deepEqual(Uint8Array.from(merkleRoot(header)), root)
  })

  it('refuses a header that does not follow from the one before', () => {
    const header = makeHeader(makeHeader(params.genesis, root), root)
    assert.throws(() => checkHeader(params, genesisAlone, genesisHash, header, 1), {
      code: 'ERR_CHAIN_LIED',
      message: /does not follow/
    })
  })

  it('refuses a header without proof of work', () => {
    assert.throws(
      () =>
        checkHeader(
          params,
          genesisAlone,
          genesisHash,
          makeHeader(params.genesis, root, { work: false }),
          1
        ),
      { code: 'ERR_CHAIN_LIED', message: /without proof of work/ }
    )
  })

  it('refuses a header whose time is not after the median of the last eleven', () => {
    const times = [100, 200, 300, 400, 500, 600, 700, 800, 900, 1_000, 1_100]
    const headers = times.reduce(
      (all, time) => [
        ...all,
        makeHeader(all.at(-1) ?? params.genesis, root, { time: 1_400_000_000 + time })
      ],
      [params.genesis]
    )
    const previous = headers.at(-1) ?? params.genesis
    const check = (time: number): Uint8Array =>
      checkHeader(
        params,
        (height) => headers[height],
        headerHash(previous),
        makeHeader(previous, root, { time: 1_400_000_000 + time }),
        headers.length
      )
    assert.throws(() => check(600), { code: 'ERR_CHAIN_LIED', message: /time is before/ })
    check(601)
  })

  it('sorts these times first: miners need not put them in order', () => {
    const times = [900, 800, 700, 600, 500, 1_000, 1_100, 100, 200, 300, 400]
    const headers = times.map((time) => makeHeader(params.genesis, root, { time }))
    const check = (time: number): Uint8Array =>
      checkHeader(
        { ...params, bip94: false },
        (height) => (height < 11 ? headers[height] : undefined),
        headerHash(headers[10] ?? assert.fail()),
        makeHeader(headers[10] ?? assert.fail(), root, { time }),
        11
      )
    assert.throws(() => check(600), { code: 'ERR_CHAIN_LIED', message: /time is before/ })
    check(601)
  })

  it('refuses the first block of a period that is more than ten minutes older than the last of the one before, where BIP94 holds', () => {
    // Of eleven blocks only the last one is late: the median leaves room for a much older one.
    const before = Array.from({ length: 11 }, (_, i) => i).reduce<Uint8Array[]>(
      (all, i) => [
        ...all,
        makeHeader(all.at(-1) ?? params.genesis, root, {
          time: 1_500_000_000 + i + (i === 10 ? 7_200 : 0)
        })
      ],
      []
    )
    const previous = before.at(-1) ?? params.genesis
    const check = (bip94: boolean, height: number, time: number): Uint8Array =>
      checkHeader(
        { ...params, bip94 },
        (at) => before[at - height + 11],
        headerHash(previous),
        makeHeader(previous, root, { time: 1_500_007_210 + time }),
        height
      )
    check(true, 2_016, -600)
    assert.throws(() => check(true, 2_016, -601), {
      code: 'ERR_CHAIN_LIED',
      message: /begins a period of difficulty more than ten minutes before/
    })
    check(true, 2_017, -601)
    check(false, 2_016, -601)
  })

  it('refuses a difficulty below the limit, and another one than the fixed one of regtest', () => {
    for (const bits of [0x21000100, 0x1d00ffff, 0x00000000, 0x20ffffff]) {
      assert.throws(
        () =>
          checkHeader(
            params,
            genesisAlone,
            genesisHash,
            makeHeader(params.genesis, root, { bits }),
            1
          ),
        { code: 'ERR_CHAIN_LIED', message: /difficulty/ },
        bits.toString(16)
      )
    }
  })

  it("refuses an easier difficulty than the network's limit even where the difficulty may change", () => {
    const mainnet = chainParams('mainnet')
    assert.throws(
      () =>
        checkHeader(
          mainnet,
          (height) => (height === 0 ? mainnet.genesis : undefined),
          headerHash(mainnet.genesis),
          makeHeader(mainnet.genesis, root),
          1
        ),
      { code: 'ERR_CHAIN_LIED', message: /difficulty that mainnet/ }
    )
  })

  it('checks a row of headers and adds up their work', () => {
    const first = makeHeader(params.genesis, root)
    const second = makeHeader(first, root)
    assert.equal(checkHeaders(params, genesisAlone, concat([first, second]), 1), 4n)
    assert.throws(() => checkHeaders(params, genesisAlone, concat([second, first]), 1), {
      code: 'ERR_CHAIN_LIED'
    })
    assert.throws(() => checkHeaders(params, genesisAlone, first.subarray(1), 1), {
      code: 'ERR_CHAIN_LIED',
      message: /80 bytes/
    })
  })

  it('checks each of a row against those before it in the row', () => {
    const made = [100, 500, 300, 300].reduce<Uint8Array[]>(
      (all, time) => [...all, makeHeader(all.at(-1) ?? params.genesis, root, { time: 2e9 + time })],
      []
    )
    assert.throws(() => checkHeaders(params, genesisAlone, concat(made), 1), {
      code: 'ERR_CHAIN_LIED',
      facts: { height: 4 },
      message: /time is before/
    })
    assert.equal(checkHeaders(params, genesisAlone, concat(made.slice(0, 3)), 1), 6n)
  })

  it('checks no row that does not follow anything', () => {
    assert.throws(() => checkHeaders(params, genesisAlone, makeHeader(params.genesis, root), 3), {
      name: 'RangeError',
      message: 'no header at height 2'
    })
  })
})

describe('difficulty', () => {
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

  it('is not known without the block before', () => {
    for (const network of ['mainnet', 'testnet', 'regtest'] as const) {
      assert.equal(
        requiredBits(chainParams(network), 5, 1_000, () => undefined),
        undefined
      )
    }
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
          height < 0
            ? undefined
            : header(1_000 * (height - PERIOD + 1), height < PERIOD ? HARD : LIMIT)
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

/*
 * Blocks from the future, which make heights on a network where any block will do 20 minutes after
 * the last.
 */

describe('headers from the future', () => {
  const regtest = chainParams('regtest')
  /** As testnet, with work that a test can do. */
  const testnet: ChainParams = { ...regtest, network: 'testnet', fixedDifficulty: false }
  const ROOT = new Uint8Array(32)
  const START = timeOf(testnet.genesis)
  const HOUR = 60 * 60

  let now = START

  beforeEach(() => {
    now = START
  })

  function chainOf(params: ChainParams): HeaderChain {
    return new HeaderChain(params, undefined, () => now * 1_000)
  }

  /** The next block so many seconds after the tip. */
  function next(chain: HeaderChain, seconds: number): Uint8Array {
    const tip = chain.headerAt(chain.height) ?? assert.fail()
    return makeHeader(tip, ROOT, { time: timeOf(tip) + seconds })
  }

  /** How many blocks a server alone can make up, each as soon as it needs no work. */
  function inflate(chain: HeaderChain): number {
    for (let made = 0; made < 1_000; made++) {
      try {
        chain.connect(chain.height + 1, next(chain, 20 * 60 + 1))
      } catch (error) {
        assert.equal(codeOf(error), 'ERR_BLOCK_FROM_FUTURE')
        return made
      }
    }
    return assert.fail('there is no end')
  }

  it('are taken up to two hours ahead of our clock, which may be behind by one, and no further', () => {
    const chain = chainOf(testnet)
    assert.throws(
      () => {
        chain.connect(1, next(chain, 3 * HOUR + 1))
      },
      { code: 'ERR_BLOCK_FROM_FUTURE' }
    )
    assert.equal(chain.height, 0)
    chain.connect(1, next(chain, 3 * HOUR))
  })

  it('are named by their height and their time', () => {
    const chain = chainOf(testnet)
    const [first, ahead] = [next(chain, HOUR), 3 * HOUR + 7]
    const second = makeHeader(first, ROOT, { time: START + ahead })
    assert.throws(
      () => {
        chain.connect(1, concat([first, second]))
      },
      { code: 'ERR_BLOCK_FROM_FUTURE', facts: { height: 2, ahead } }
    )
  })

  it('are good once their time has come: nobody has lied', () => {
    const chain = chainOf(testnet)
    const header = next(chain, 4 * HOUR)
    assert.throws(
      () => {
        chain.connect(1, header)
      },
      { code: 'ERR_BLOCK_FROM_FUTURE' }
    )
    now += HOUR
    chain.connect(1, header)
    assert.equal(chain.height, 1)
  })

  it('do not make a height: eight blocks at once, and from then on three an hour', () => {
    const chain = chainOf(testnet)
    assert.equal(inflate(chain), 8)
    now += HOUR
    assert.ok(inflate(chain) <= 3)
  })

  it('are good where a block costs its work: a clock that is behind must not let deadlines pass', () => {
    const chain = chainOf({ ...testnet, minDifficultyBlocks: false })
    const header = next(chain, 4 * HOUR)
    chain.connect(1, header)
    assert.equal(chain.height, 1)
    const behind = clockBehind(chain.params, header, now)
    assert.equal(behind?.code, 'ERR_CLOCK_BEHIND')
    assert.match(behind.message, /is 4 hours behind the newest block/)
    assert.equal(clockBehind(chain.params, header, now + HOUR), undefined)
    assert.equal(clockBehind(regtest, header, now), undefined)
  })

  it('are no matter on regtest, where a block costs nothing', () => {
    const chain = chainOf(regtest)
    chain.connect(1, next(chain, 100 * HOUR))
    assert.equal(chain.height, 1)
  })
})
