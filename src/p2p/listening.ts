/**
 * Where a node of our own listens: addresses that it cannot listen on are refused in words that say
 * which, and why.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'

const HOSTS = new Set(['ip4', 'ip6'])

const IN_USE = 'EADDRINUSE'

const REASONS: Readonly<Record<string, string>> = {
  [IN_USE]: 'the port is in use. Stop who uses it, or take another one (0 is any that is free)',
  EADDRNOTAVAIL:
    'this machine has no such address. Take one of its own, or /ip4/0.0.0.0 for all of them',
  EACCES: 'this user may not use the port. Take one from 1024 on',
  EAFNOSUPPORT: 'this machine does not speak that version of IP'
}

/**
 * Refuses what is no TCP address before anything is started. libp2p would pass over one that no
 * transport of ours knows as soon as it can listen on any other.
 *
 * @throws PaychanError `ERR_INVALID_LISTEN` (facts: address)
 */
export function checkListen(addresses: readonly string[]): void {
  for (const address of addresses) {
    if (!isTcp(address)) {
      throw new PaychanError(
        'ERR_INVALID_LISTEN',
        `A node listens on TCP, and '${address}' is something else. Write the address like /ip4/0.0.0.0/tcp/4001.`,
        { address }
      )
    }
  }
}

function isTcp(address: string): boolean {
  try {
    const [host, tcp, ...more] = multiaddr(address).getComponents()
    return host !== undefined && HOSTS.has(host.name) && tcp?.name === 'tcp' && more.length === 0
  } catch {
    return false
  }
}

/**
 * What libp2p says when it cannot listen is a page with the stack of every address: this is one
 * sentence about the first. Other errors stay as they are.
 */
export function explainListen(error: unknown, addresses: readonly string[]): unknown {
  if (!(error instanceof Error) || error.name !== 'UnsupportedListenAddressesError') return error
  const text = messageOf(error)
  const told = addresses.map((address) => ({
    address,
    reason: /\b(E[A-Z]{3,})\b/.exec(
      text.split(`${multiaddr(address).toString()}: `)[1]?.split('\n\n')[0] ?? ''
    )?.[1]
  }))
  const { address, reason } = told.find((each) => each.reason !== undefined) ?? {
    address: addresses.join(', '),
    reason: undefined
  }
  const why = reason === undefined ? 'the system does not say why' : (REASONS[reason] ?? reason)
  return new PaychanError(
    'ERR_LISTEN_FAILED',
    `The node cannot listen on ${address}: ${why}.`,
    { address, reason },
    { cause: error }
  )
}

/** Whether a node could not listen because somebody else does. */
export function isInUse(error: unknown): boolean {
  return (
    error instanceof PaychanError &&
    error.code === 'ERR_LISTEN_FAILED' &&
    error.facts['reason'] === IN_USE
  )
}

/**
 * Whether nobody listens there now. Whatever else is wrong with an address shows when it is
 * listened on.
 */
export async function areFree(addresses: readonly string[]): Promise<boolean> {
  for (const address of addresses) {
    const [host, tcp] = multiaddr(address).getComponents()
    const server = createServer()
    try {
      server.listen({ host: host?.value, port: Number(tcp?.value), exclusive: true })
      await once(server, 'listening')
    } catch (error) {
      if (codeOf(error) === IN_USE) return false
    } finally {
      server.close()
    }
  }
  return true
}
