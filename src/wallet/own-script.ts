/** Whether a script is the wallet's own, as far as the chain has been searched. */
import { PaychanError } from '../types/errors.js'
import type { AddressBook, OwnScript } from './addresses.js'
import type { Watches } from './watches.js'

export const NOT_HEARD =
  'The Electrum server has not told yet which coins the wallet has. Check the connection with `paychan info`, then try again.'

/**
 * The script among the close scripts that a channel can have, and those that were given out and the
 * gap behind them; undefined when it is not.
 *
 * @throws PaychanError `ERR_CHAIN_UNAVAILABLE` when it is none of them, and the search may still
 *   widen
 */
export function ownScript(
  scriptPubKey: Uint8Array,
  addresses: AddressBook,
  watches: Pick<Watches, 'heard'>
): OwnScript | undefined {
  const known = addresses.find(scriptPubKey)
  if (known !== undefined) return known
  const watched = addresses.watched()
  addresses.deriveCloseScripts()
  const own = addresses.find(scriptPubKey)
  if (own === undefined && !watched.every((one) => watches.heard(one.scriptPubKey))) {
    throw new PaychanError('ERR_CHAIN_UNAVAILABLE', NOT_HEARD)
  }
  return own
}
