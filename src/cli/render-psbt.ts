/** What a person with an outside wallet has to do, and must not do. */
import { formatAmount } from '../daemon/amount.js'
import type { ChannelInfo } from '../node/api.js'
import { shortChannel, shortPeer } from './render.js'

const BTC = 100_000_000n

/** As Bitcoin wallets take amounts. */
function inBitcoin(amount: bigint): string {
  return `${amount / BTC}.${(amount % BTC).toString().padStart(8, '0')}`
}

/** Of `open --psbt`: the server has named its key. */
export function renderAskedInputs(channel: ChannelInfo): string {
  const { outside, capacity } = channel
  const id = shortChannel(channel.id)
  const { address = '', psbt = '' } = outside ?? {}
  return `Channel ${id} with ${shortPeer(channel.peerId)} waits for its funding, for 10 minutes.
Have your wallet make a transaction that pays exactly this, from native SegWit coins. Do NOT sign or send it yet:

  amount   ${inBitcoin(capacity)} BTC (${formatAmount(capacity)}); the fee comes on top
  address  ${address}
  PSBT     ${psbt}

With Bitcoin Core:
  bitcoin-cli walletcreatefundedpsbt '[]' '[{"${address}":${inBitcoin(capacity)}}]' 0 '{"lockUnspents":true}'
Then give what it made, unsigned:  paychan psbt ${id} FILE
Or give the opening up:            paychan psbt ${id} --cancel`
}

/** Of the funded PSBT: T2 is on disk. */
export function renderAskedSignatures(channel: ChannelInfo): string {
  const id = shortChannel(channel.id)
  return `The refund is signed by the peer and stored: at block ${channel.refundHeight} the money comes back by itself if all else fails.
Now sign this PSBT, unchanged, for transaction ${channel.funding?.txid ?? '?'}:

${channel.outside?.psbt ?? ''}

Then give it signed, up to block ${channel.lastPaymentHeight ?? '?'}:  paychan psbt ${id} FILE
Never replace or bump the transaction in your wallet (RBF): another one would have no refund.`
}
