/** Opens a stream to the peer of a channel, and to nobody else. */
import type { Channel } from '../channel/state.js'
import { codeOf, PaychanError } from '../types/errors.js'
import type { Link, LinkListener, Peers } from './ports.js'

/** Elsewhere it is not either: then what counts is why it did not answer where it was. */
const NO_NEWS: ReadonlySet<string> = new Set(['ERR_PEER_UNKNOWN', 'ERR_PEER_UNREACHABLE'])

/**
 * At the address that worked last; failing that, wherever the host knows the peer to be by now.
 *
 * @throws PaychanError those of `Peers.open`, and `ERR_PEER_UNREACHABLE` when somebody else
 *   answers there
 */
export async function reach(
  peers: Peers,
  { address, peer }: Pick<Channel, 'address' | 'peer'>,
  listener: LinkListener
): Promise<Link> {
  const link = await open(peers, address, peer, listener)
  if (link.peer === peer) return link
  link.close()
  throw new PaychanError(
    'ERR_PEER_UNREACHABLE',
    `${address} is now the peer ${link.peer}, not ${peer}.`
  )
}

async function open(
  peers: Peers,
  address: string,
  peer: string,
  listener: LinkListener
): Promise<Link> {
  try {
    return await peers.open(address, () => listener)
  } catch (error) {
    if (address === peer) throw error
    return await peers
      .open(peer, () => listener)
      .catch((second: unknown) => {
        throw NO_NEWS.has(codeOf(second)) ? error : second
      })
  }
}
