import assert from 'node:assert/strict'
import * as bitcoin from 'bitcoinjs-lib'
import { NETWORKS } from '../../src/bitcoin/network-names.js'
import { networkParams } from '../../src/bitcoin/network.js'

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
