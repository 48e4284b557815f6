/**
 * One block of each network that is long buried. The chain is followed from there on, and a server
 * without it is not used: so no branch from below it is followed, such as the minority chain that
 * split off mainnet at height 961,632.
 *
 * `node scripts/checkpoints.js` asks several Electrum servers for these blocks, prints each answer,
 * and writes newer blocks with their origin. `test/chain/checkpoint.test.ts` says what a checkpoint
 * must be.
 */
import type { Network } from '../../protocols/paychan/1.0/index.js'

export interface Checkpoint {
  readonly height: number
  readonly hash: string
}

export const CHECKPOINTS: Readonly<Record<Exclude<Network, 'regtest'>, Checkpoint>> = {
  // The newest of `assumeutxo` in Bitcoin Core's chainparams.cpp, after release 31. No server was
  // asked.
  mainnet: {
    height: 965_000,
    hash: '00000000000000000001595977e6000ce56129f5c9b4073e31ccc30b90b97da9'
  },
  // As above. No server was asked.
  testnet: {
    height: 5_125_000,
    hash: '00000000000009ad1946e21cb4f1a6323ee99c89017b59d5166472672b868133'
  },
  // As above. No server was asked.
  testnet4: {
    height: 150_000,
    hash: '0000000000d9877342754dea8ec1eb24631517d38e3443c370465ee53a8b7434'
  },
  // As above. No server was asked.
  signet: {
    height: 320_000,
    hash: '0000000740ae66b284da84387dcfa14d7b1385b0bad482005ba4e770ea6c4b95'
  }
}
