/**
 * The differences between Bitcoin's networks: address prefixes, the genesis block, the BIP44 coin
 * type.
 */
import { networks, type Network as BitcoinjsNetwork } from 'bitcoinjs-lib'
import type { Network } from '../../protocols/paychan/1.0/messages.js'

/** The parameters of one network, after `CChainParams` of Bitcoin Core's kernel/chainparams.cpp. */
interface NetworkParams {
  readonly network: Network
  /** The human-readable part of SegWit addresses (BIP173). */
  readonly bech32: string
  /** The hash of block 0 as people write it: 64 hex digits, byte order reversed. */
  readonly genesisHash: string
  /** SLIP-44: 0 for bitcoin, 1 for every test network; the second level of a BIP84 path. */
  readonly coinType: number
  readonly bitcoinjs: BitcoinjsNetwork
}

const PARAMS: Readonly<Record<Network, NetworkParams>> = {
  mainnet: {
    network: 'mainnet',
    bech32: 'bc',
    genesisHash: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
    coinType: 0,
    bitcoinjs: networks.bitcoin
  },
  // Testnet 3, which Bitcoin Core calls `test` and is about to give up.
  testnet: {
    network: 'testnet',
    bech32: 'tb',
    genesisHash: '000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943',
    coinType: 1,
    bitcoinjs: networks.testnet
  },
  // BIP94, the successor of testnet 3. Its addresses look the same.
  testnet4: {
    network: 'testnet4',
    bech32: 'tb',
    genesisHash: '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043',
    coinType: 1,
    bitcoinjs: networks.testnet
  },
  // BIP325: the default signet. Its addresses look like those of testnet.
  signet: {
    network: 'signet',
    bech32: 'tb',
    genesisHash: '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6',
    coinType: 1,
    bitcoinjs: networks.testnet
  },
  regtest: {
    network: 'regtest',
    bech32: 'bcrt',
    genesisHash: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
    coinType: 1,
    bitcoinjs: networks.regtest
  }
}

/** The parameters of a network. */
export function networkParams(network: Network): NetworkParams {
  return PARAMS[network]
}
