/** A coin of the wallet as `NodeApi` shows it. */
import { outPointText } from '../types/bytes.js'
import type { WalletCoin } from '../wallet/node-wallet.js'
import type { CoinInfo } from './api.js'

export function coinInfo({
  outPoint,
  value,
  address,
  height,
  confirmations,
  label,
  state,
  locked,
  reservedFor,
  spentBy
}: WalletCoin): CoinInfo {
  return {
    outPoint: outPointText(outPoint),
    amount: value,
    address,
    height,
    confirmations,
    label,
    state,
    locked,
    channel: reservedFor,
    spentBy
  }
}
