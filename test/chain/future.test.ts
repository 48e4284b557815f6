/**
 * Blocks from the future, which make heights on a network where any block will do 20 minutes after
 * the last.
 */
import assert from 'node:assert/strict'
import { HeaderChain } from '../../src/chain/headers.js'
import { timeOf } from '../../src/chain/header.js'
import { chainParams, type ChainParams } from '../../src/chain/params.js'
import { codeOf } from '../../src/types/errors.js'
import { makeHeader } from './fake-chain.js'

const regtest = chainParams('regtest')
/** As testnet, with work that a test can do. */
const testnet: ChainParams = { ...regtest, network: 'testnet', fixedDifficulty: false }
const ROOT = new Uint8Array(32)
const START = timeOf(testnet.genesis)
const HOUR = 60 * 60

describe('headers from the future', () => {
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

  it('are no matter on regtest, where a block costs nothing', () => {
    const chain = chainOf(regtest)
    chain.connect(1, next(chain, 100 * HOUR))
    assert.equal(chain.height, 1)
  })
})
