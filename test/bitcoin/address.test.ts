import assert from 'node:assert/strict'
import fc from 'fast-check'
import * as bitcoin from 'bitcoinjs-lib'
import {
  destinationOf,
  isStandardScript,
  networkParams,
  scriptOf
} from '../../src/bitcoin/address.js'
import { NETWORKS } from '../../src/bitcoin/network-names.js'
import { addressFromScript, scriptFromAddress } from '../../src/bitcoin/scripts.js'
import { toHex } from '../../src/types/bytes.js'
import { P2PKH, P2SH, P2TR, p2wpkh, P2WSH, refuses } from './support.js'

describe('addresses', () => {
  it('that are none are shown up to the length that the longest one has', () => {
    for (const [length, shown] of [
      [90, '1'.repeat(90)],
      [91, `${'1'.repeat(90)}...`]
    ] as const) {
      assert.throws(() => scriptFromAddress('1'.repeat(length), 'mainnet'), {
        code: 'ERR_INVALID_ADDRESS',
        facts: { address: shown }
      })
    }
  })

  it('come out as the examples of BIP173 and BIP350', () => {
    const examples = [
      [
        'mainnet',
        'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
        '0014751e76e8199196d454941c45d1b3a323f1433bd6'
      ],
      [
        'testnet',
        'tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sl5k7',
        '00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262'
      ],
      [
        'mainnet',
        'bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y',
        '5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6'
      ],
      ['mainnet', 'bc1sw50qgdz25j', '6002751e'],
      [
        'mainnet',
        'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0',
        '512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
      ]
    ] as const
    for (const [network, address, script] of examples) {
      assert.equal(toHex(scriptFromAddress(address, network)), script)
      assert.equal(addressFromScript(scriptFromAddress(address, network), network), address)
    }
  })

  it('come out as the address of the genesis block', () => {
    const script = scriptFromAddress('1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa', 'mainnet')
    assert.equal(toHex(script), '76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac')
  })

  it('return to the script that they were made of, on every network', () => {
    for (const network of NETWORKS) {
      for (const script of [P2PKH, P2SH, p2wpkh(), P2WSH, P2TR]) {
        assert.deepEqual(scriptFromAddress(addressFromScript(script, network), network), script)
      }
    }
  })

  it('accept capitals, as QR codes carry them', () => {
    assert.deepEqual(
      scriptFromAddress(addressFromScript(P2WSH, 'regtest').toUpperCase(), 'regtest'),
      P2WSH
    )
  })

  it('are refused on another network, with the prefix that is needed', () => {
    refuses(
      () => scriptFromAddress(addressFromScript(P2WSH, 'mainnet'), 'regtest'),
      'ERR_INVALID_ADDRESS',
      /address of mainnet, but this is regtest: .* starts with bcrt1/
    )
    refuses(
      () => scriptFromAddress(addressFromScript(P2PKH, 'mainnet'), 'regtest'),
      'ERR_INVALID_ADDRESS',
      /mainnet/
    )
    refuses(
      () => scriptFromAddress(addressFromScript(P2SH, 'regtest'), 'mainnet'),
      'ERR_INVALID_ADDRESS',
      /starts with bc1/
    )
    refuses(
      () => scriptFromAddress(addressFromScript(P2WSH, 'testnet'), 'regtest'),
      'ERR_INVALID_ADDRESS',
      /testnet, testnet4 or signet/
    )
  })

  it('are refused when they are invalid', () => {
    const invalid = [
      '',
      ' ',
      'hello',
      'bcrt1',
      '1',
      'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5', // one letter wrong
      'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7k', // cut off
      'BC1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', // capitals and small letters
      'bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4', // BIP350: invalid character
      'bc1qr508d6qejxtdg4y5r3zarvaryvqyzf3du', // version 0 with 16 bytes
      'bc1rw5uspcuh', // BIP350: program of 1 byte
      'bc1pw5dgrnzv', // BIP350: program of 1 byte
      'BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R', // BIP350: version 17
      'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd', // BIP350: bech32, not bech32m
      'ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9', // another coin
      '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb',
      'LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1', // another coin
      'b'.repeat(100_000)
    ]
    for (const address of invalid) {
      refuses(
        () => scriptFromAddress(address, 'mainnet'),
        'ERR_INVALID_ADDRESS',
        /not a Bitcoin address/
      )
    }
  })

  it('never break on what people type', () => {
    fc.assert(
      fc.property(fc.string(), (text) =>
        refuses(() => scriptFromAddress(text, 'regtest'), 'ERR_INVALID_ADDRESS')
      )
    )
  })

  it('do not exist for other scripts', () => {
    refuses(() => addressFromScript(Uint8Array.from([0x6a, 1, 1]), 'regtest'), 'ERR_NO_ADDRESS')
    refuses(() => addressFromScript(Uint8Array.from([0, 3, 1, 2, 3]), 'regtest'), 'ERR_NO_ADDRESS')
  })
})

describe('bitcoin / destinations', () => {
  it('of a witness program are one push of all that follows, of a length that it names', () => {
    for (const script of [P2WSH, P2TR, p2wpkh()]) {
      for (const length of [-1, 1]) {
        const other = Uint8Array.from(script)
        other[1] = (other[1] ?? 0) + length
        assert.equal(destinationOf(other), undefined)
      }
    }
  })

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

/**
 * Time, bits and nonce of each genesis block; but for testnet4 the rest of its header is the same
 * everywhere.
 */
const GENESIS = {
  mainnet: [1231006505, 0x1d00ffff, 2083236893],
  testnet: [1296688602, 0x1d00ffff, 414098458],
  testnet4: [1714777860, 0x1d00ffff, 393743547],
  signet: [1598918400, 0x1e0377ae, 52613770],
  regtest: [1296688602, 0x207fffff, 2]
} as const

describe('networks', () => {
  for (const network of NETWORKS) {
    it(`knows the genesis block of ${network}`, () => {
      const header = new bitcoin.Block()
      header.version = 1
      header.prevHash = new Uint8Array(32)
      header.merkleRoot = Uint8Array.from(
        Buffer.from(
          network === 'testnet4'
            ? '7aa0a7ae1e223414cb807e40cd57e667b718e42aaf9306db9102fe28912b7b4e'
            : '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b',
          'hex'
        ).reverse()
      )
      ;[header.timestamp, header.bits, header.nonce] = GENESIS[network]
      assert.equal(header.getId(), networkParams(network).genesisHash)
    })
  }

  it('names the prefix of addresses and the coin type of derivation paths', () => {
    assert.deepEqual(
      NETWORKS.map((network) => networkParams(network).bech32),
      ['bc', 'tb', 'tb', 'tb', 'bcrt']
    )
    assert.deepEqual(
      NETWORKS.map((network) => networkParams(network).coinType),
      [0, 1, 1, 1, 1]
    )
    for (const network of NETWORKS) {
      assert.equal(networkParams(network).network, network)
      assert.equal(networkParams(network).bitcoinjs.bech32, networkParams(network).bech32)
    }
  })
})
