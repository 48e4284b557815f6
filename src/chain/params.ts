/**
 * The differences between the header chains of Bitcoin networks: the first block and the work that
 * a block needs (Bitcoin Core, kernel/chainparams.cpp).
 */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { hashFromTxid, txid } from '../types/bytes.js'
import { CHECKPOINTS, type Checkpoint } from './checkpoints.js'

export interface ChainParams {
  readonly network: Network
  /** The 80 bytes of the header at height 0. */
  readonly genesis: Uint8Array
  /** The easiest `nBits` that a header may have. */
  readonly powLimitBits: number
  /** `fPowNoRetargeting`: every block has the `nBits` of the first. */
  readonly fixedDifficulty: boolean
  /**
   * `fPowAllowMinDifficultyBlocks`: twenty minutes after a block the next one may be as easy as can
   * be.
   */
  readonly minDifficultyBlocks: boolean
  /**
   * `enforce_BIP94`: a period's difficulty follows from that of the first block of the period
   * before, which is never an exception, and its first block is at most ten minutes older than the
   * last of the period before.
   */
  readonly bip94: boolean
  /**
   * A block that is long buried: the chain is followed from there on, and a chain without it is
   * another one.
   */
  readonly checkpoint: Checkpoint | undefined
}

// The coinbase with the headline of The Times of 3 January 2009 is the only transaction of the
// first block of all networks but testnet4.
const GENESIS_MERKLE_ROOT = txid('4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b')

// That of 3 May 2024 names a block of mainnet, so that nobody could have mined in advance.
const TESTNET4_MERKLE_ROOT = txid(
  '7aa0a7ae1e223414cb807e40cd57e667b718e42aaf9306db9102fe28912b7b4e'
)

function genesisHeader(
  time: number,
  bits: number,
  nonce: number,
  merkleRoot = GENESIS_MERKLE_ROOT
): Uint8Array {
  const header = new Uint8Array(80)
  const view = new DataView(header.buffer)
  view.setInt32(0, 1, true)
  header.set(hashFromTxid(merkleRoot), 36)
  view.setUint32(68, time, true)
  view.setUint32(72, bits, true)
  view.setUint32(76, nonce, true)
  return header
}

const RETARGETING = {
  powLimitBits: 0x1d00ffff,
  fixedDifficulty: false,
  minDifficultyBlocks: false,
  bip94: false
}

const PARAMS: Readonly<Record<Network, ChainParams>> = {
  mainnet: {
    ...RETARGETING,
    network: 'mainnet',
    genesis: genesisHeader(1231006505, 0x1d00ffff, 2083236893),
    checkpoint: CHECKPOINTS.mainnet
  },
  testnet: {
    ...RETARGETING,
    network: 'testnet',
    genesis: genesisHeader(1296688602, 0x1d00ffff, 414098458),
    minDifficultyBlocks: true,
    checkpoint: CHECKPOINTS.testnet
  },
  testnet4: {
    ...RETARGETING,
    network: 'testnet4',
    genesis: genesisHeader(1714777860, 0x1d00ffff, 393743547, TESTNET4_MERKLE_ROOT),
    minDifficultyBlocks: true,
    bip94: true,
    checkpoint: CHECKPOINTS.testnet4
  },
  signet: {
    ...RETARGETING,
    network: 'signet',
    genesis: genesisHeader(1598918400, 0x1e0377ae, 52613770),
    powLimitBits: 0x1e0377ae,
    checkpoint: CHECKPOINTS.signet
  },
  regtest: {
    network: 'regtest',
    genesis: genesisHeader(1296688602, 0x207fffff, 2),
    powLimitBits: 0x207fffff,
    fixedDifficulty: true,
    minDifficultyBlocks: true,
    bip94: false,
    checkpoint: undefined
  }
}

/** The rules of a network's header chain. */
export function chainParams(network: Network): ChainParams {
  return PARAMS[network]
}
