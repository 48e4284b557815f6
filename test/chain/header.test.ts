import assert from 'node:assert/strict'
import {
  checkHeader,
  checkHeaders,
  hashText,
  headerHash,
  type HeaderLookup,
  merkleRoot,
  targetFromBits,
  workFromBits
} from '../../src/chain/header.js'
import { chainParams } from '../../src/chain/params.js'
import { concat } from 'uint8arrays'
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
})
