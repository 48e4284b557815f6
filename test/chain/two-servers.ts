/**
 * Two servers that begin with the same blocks, and a pool that waits for nothing but its answers.
 */
import type { ChainTimeouts, PoolTimes } from '../../src/chain/waiting.js'
import { FakeServer } from './fake-server.js'

/** Milliseconds that no test lasts. */
export const NEVER = 1_000_000

/** The time limits of each server. */
export const PATIENT: Partial<ChainTimeouts> = {
  retryFirst: 2,
  retryMost: 20,
  ping: NEVER,
  silence: NEVER,
  request: NEVER
}

/** The waiting times of a pool that decides by what it is told alone. */
export const BY_ANSWERS: Partial<PoolTimes> = {
  lag: NEVER,
  omission: NEVER,
  answers: 100,
  settle: NEVER,
  retry: NEVER,
  retryAlone: NEVER
}

/** Two servers with the same three blocks. */
export async function twoServers(): Promise<[FakeServer, FakeServer]> {
  const [first, second] = [await new FakeServer().listen(), await new FakeServer().listen()]
  mineOn(first, second, 3)
  return [first, second]
}

/** Mines on one server; the other has its blocks then. */
export function mineOn(first: FakeServer, second: FakeServer, count = 1): void {
  first.chain.mine(count)
  copyBlocks(first, second)
}

export function copyBlocks(from: FakeServer, to: FakeServer): void {
  to.chain.blocks.splice(0, to.chain.blocks.length, ...from.chain.blocks)
}

/** Waits for a condition that other turns of the event loop bring about. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
}
