/**
 * What a send is about: an address with an amount, or a `bitcoin:` URI that says the same (BIP321).
 */
import { isBitcoinUri, parseBitcoinUri, type PaymentUri } from '../bitcoin/uri.js'
import { PaychanError } from '../types/errors.js'
import { formatAmount, satoshi, type Satoshi } from '../types/units.js'
import { checkLabel } from './notes.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import type { SendOptions } from './spending-types.js'

export interface Payment {
  readonly address: string
  readonly amount: Satoshi | 'all'
  /** Empty for none. */
  readonly label: string
  readonly message: string | undefined
}

/**
 * A URI and whoever sends it have to agree: an amount that differs from that of the URI is a slip.
 *
 * @throws PaychanError those of `parseBitcoinUri`, `ERR_INVALID_AMOUNT` (facts: asked, uri),
 *   `ERR_INVALID_LABEL`
 */
export function paymentOf(
  { to, amount, label }: Pick<SendOptions, 'to' | 'amount' | 'label'>,
  network: Network
): Payment {
  const uri: PaymentUri = isBitcoinUri(to) ? parseBitcoinUri(to, network) : { address: to }
  const asked = amount === 'all' || amount === undefined ? amount : satoshi(amount)
  if (uri.amount !== undefined && asked !== undefined && asked !== uri.amount) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      `The URI asks for ${formatAmount(uri.amount)}, and ${asked === 'all' ? 'all' : formatAmount(asked)} was given. Leave the amount out, or send to the address alone.`,
      { asked: asked === 'all' ? undefined : asked, uri: uri.amount }
    )
  }
  const wanted = asked ?? uri.amount
  if (wanted === undefined) {
    throw new PaychanError(
      'ERR_INVALID_AMOUNT',
      'How much is to be sent? Give an amount, or `all`.'
    )
  }
  return {
    address: uri.address,
    amount: wanted,
    label: checkLabel(label ?? uri.label ?? ''),
    message: uri.message
  }
}
