/**
 * The surroundings of a node: the layout of its data directory, the version of this release, the clock
 * and the dice of the machine as ports, and its addresses for itself.
 */
import { randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import type { Clock, Random } from '../engine/ports.js'

/** As in package.json; a test compares them. */
export const VERSION = '0.1.0'

/** The words, readable by their owner only. */
export const SEED_FILE = 'seed'

/** The settings of the daemon, if there are any. */
export const CONFIG_FILE = 'config.json'

/** Channels, payments, wallet. */
export const STORE_DIRECTORY = 'db'

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms)
    timer.unref() // a timer alone does not keep the process alive
    return () => {
      clearTimeout(timer)
    }
  }
}

export const systemRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) }

/** True for a host that is this machine, whoever asks. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/**
 * True for a URL whose traffic nobody on the way can read: it goes by TLS, or stays on this
 * machine.
 */
export function isConfidential({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || isLoopback(hostname.replace(/^\[|\]$/g, ''))
}
