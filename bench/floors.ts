/**
 * What a payment cannot be faster than: a round trip, a signature, a verification and a write that
 * is safe. Medians in microseconds, measured on the machine and in the run that the payments are.
 */
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Connection, Stream } from '@libp2p/interface'
import { openLevelStore } from '../src/store/level.js'
import { loadEcdsa } from '../src/wallet/signer.js'
import { percentiles } from './load.js'

/** Sends back what it gets, so that a round trip of libp2p can be measured without paychan. */
export const ECHO = '/paychan-bench/echo'

/** About an `Update` with one payment, and its record. */
const MESSAGE_BYTES = 120
const RECORD_BYTES = 200

/** Each floor is measured for so long, after a tenth of that to warm up. */
const MEASURE_MS = 700

/** Microseconds. */
export interface LocalFloors {
  readonly sign: number
  readonly verify: number
  readonly fsync: number
  readonly commit: number
}

/** Everything but the network. */
export async function localFloors(): Promise<LocalFloors> {
  const directory = await mkdtemp(join(tmpdir(), 'paychan-floors-'))
  try {
    return { ...(await ecdsaFloors()), ...(await diskFloors(directory)) }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** A signature and a verification, without a disk. */
export async function ecdsaFloors(): Promise<Pick<LocalFloors, 'sign' | 'verify'>> {
  const ecdsa = loadEcdsa()
  const secret = new Uint8Array(32).fill(7)
  const digest = new Uint8Array(32).fill(9)
  const key = ecdsa.publicKeyOf(secret)
  const signature = ecdsa.sign(secret, digest)
  const sign = await median(async () => {
    ecdsa.sign(secret, digest)
  })
  const verify = await median(async () => {
    if (!ecdsa.verify(key, digest, signature)) throw new Error('a good signature was refused')
  })
  return { sign, verify }
}

async function diskFloors(directory: string): Promise<Pick<LocalFloors, 'fsync' | 'commit'>> {
  const value = new Uint8Array(RECORD_BYTES)
  const file = await open(join(directory, 'log'), 'w')
  const fsync = await median(async () => {
    await file.write(value)
    await file.datasync()
  })
  await file.close()
  const store = await openLevelStore(join(directory, 'store'))
  const commit = await median(async () => {
    await store.commit([{ key: 'record', value }])
  })
  await store.close()
  return { fsync, commit }
}

/** A round trip on one stream: one message there, the same one back. */
export async function roundTripFloor(connection: Connection): Promise<number> {
  const stream = await connection.newStream(ECHO)
  const message = new Uint8Array(MESSAGE_BYTES)
  let left = 0
  let arrived = (): void => {}
  stream.addEventListener('message', ({ data }) => {
    left -= data.byteLength
    if (left === 0) arrived()
  })
  const floor = await median(async () => {
    await new Promise<void>((resolve) => {
      arrived = resolve
      left = MESSAGE_BYTES
      stream.send(message)
    })
  })
  await stream.close()
  return floor
}

/** The other end of `roundTripFloor`. */
export function echo(stream: Stream): void {
  stream.addEventListener('message', ({ data }) => {
    stream.send(data)
  })
  // The measuring side closes first; whatever happens to the stream then does not matter.
  stream.addEventListener('remoteCloseWrite', () => {
    stream.close().catch(() => {})
  })
}

async function median(action: () => Promise<void>): Promise<number> {
  const took: number[] = []
  const begun = performance.now()
  for (let before = begun; before < begun + MEASURE_MS;) {
    await action()
    const after = performance.now()
    if (before > begun + MEASURE_MS / 10) took.push((after - before) * 1000)
    before = after
  }
  return percentiles(took)[0]
}
