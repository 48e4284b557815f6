/**
 * What distinguishes one Bitcoin network's header chain from another's: its first block and how
 * much work a block needs (Bitcoin Core, kernel/chainparams.cpp).
 */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { hashFromTxid, txid } from '../types/bytes.js'

export interface ChainParams {
  readonly network: Network
  /** The 80 bytes of the header at height 0. */
  readonly genesis: Uint8Array
  /** The easiest `nBits` that a header may have. */
  readonly powLimitBits: number
  /** `fPowNoRetargeting`: every block has the `nBits` of the first. */
  readonly fixedDifficulty: boolean
  /** `fPowAllowMinDifficultyBlocks`: twenty minutes after a block the next one may be as easy as can be. */
  readonly minDifficultyBlocks: boolean
  /**
   * A block that is long buried: the chain is followed from there on, and one without it is another one.
   * These are the newest of `m_assumeutxo_data` in Bitcoin Core's chainparams.cpp (release 31).
   */
  readonly checkpoint: Checkpoint | undefined
}

export interface Checkpoint { readonly height: number, readonly hash: string }

// The coinbase with the headline of The Times of 3 January 2009 is the only transaction of the
// first block of all four networks.
const GENESIS_MERKLE_ROOT = txid('4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b')

function genesisHeader (time: number, bits: number, nonce: number): Uint8Array {
  const header = new Uint8Array(80)
  const view = new DataView(header.buffer)
  view.setInt32(0, 1, true)
  header.set(hashFromTxid(GENESIS_MERKLE_ROOT), 36)
  view.setUint32(68, time, true)
  view.setUint32(72, bits, true)
  view.setUint32(76, nonce, true)
  return header
}

const PARAMS: Readonly<Record<Network, ChainParams>> = {
  mainnet: { network: 'mainnet', genesis: genesisHeader(1231006505, 0x1d00ffff, 2083236893), powLimitBits: 0x1d00ffff, fixedDifficulty: false, minDifficultyBlocks: false, checkpoint: { height: 935_000, hash: '0000000000000000000147034958af1652b2b91bba607beacc5e72a56f0fb5ee' } },
  testnet: { network: 'testnet', genesis: genesisHeader(1296688602, 0x1d00ffff, 414098458), powLimitBits: 0x1d00ffff, fixedDifficulty: false, minDifficultyBlocks: true, checkpoint: { height: 4_840_000, hash: '00000000000000f4971a7fb37fbdff89315b69a2e1920c467654a382f0d64786' } },
  signet: { network: 'signet', genesis: genesisHeader(1598918400, 0x1e0377ae, 52613770), powLimitBits: 0x1e0377ae, fixedDifficulty: false, minDifficultyBlocks: false, checkpoint: { height: 290_000, hash: '0000000577f2741bb30cd9d39d6d71b023afbeb9764f6260786a97969d5c9ac0' } },
  regtest: { network: 'regtest', genesis: genesisHeader(1296688602, 0x207fffff, 2), powLimitBits: 0x207fffff, fixedDifficulty: true, minDifficultyBlocks: true, checkpoint: undefined }
}

/** The rules of a network's header chain. */
export function chainParams (network: Network): ChainParams {
  return PARAMS[network]
}
