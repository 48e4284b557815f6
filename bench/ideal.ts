/**
 * The ideal loop: what a payment takes when there is nothing but the payment. The payer signs once
 * for all who call, sends over bare TCP, the payee verifies, writes with one fsync and
 * acknowledges. No channel, no encryption, no framework: nothing that pays can be faster on this
 * machine.
 *
 * The payee is a process of its own: this module, forked.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadEcdsa } from '../src/wallet/signer.js'

/**
 * The messages that cross the wire for a payment, and for the signature over a thousand of them.
 */
const PAYMENT_BYTES = 20
const UPDATE_BYTES = 100
const MOST_PAYMENTS = 1_000
const SECRET = new Uint8Array(32).fill(7)
const DIGEST = new Uint8Array(32).fill(9)

export interface Ideal {
  readonly perSecond: number
  /** Microseconds from a call until it resolves: the median. */
  readonly p50: number
}

/** The bytes of the messages of one round. */
function roundBytes(callers: number): number {
  return Math.ceil(callers / MOST_PAYMENTS) * UPDATE_BYTES + callers * PAYMENT_BYTES
}

/** Rounds in which each of `callers` pays once, for `ms` milliseconds. */
export async function idealLoop(callers: number, ms: number): Promise<Ideal> {
  const child = fork(new URL(import.meta.url), [String(callers)])
  try {
    const [port] = (await once(child, 'message')) as [number]
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    const ecdsa = loadEcdsa()
    const message = new Uint8Array(roundBytes(callers))
    let acknowledged = (): void => {}
    socket.on('data', () => {
      acknowledged()
    })
    const took: number[] = []
    const begun = performance.now()
    for (let before = begun; before < begun + ms;) {
      for (let left = callers; left > 0; left -= MOST_PAYMENTS) ecdsa.sign(SECRET, DIGEST)
      const answered = new Promise<void>((resolve) => {
        acknowledged = resolve
      })
      socket.write(message)
      await answered
      const after = performance.now()
      took.push((after - before) * 1_000)
      before = after
    }
    const seconds = (performance.now() - begun) / 1_000
    socket.destroy()
    took.sort((a, b) => a - b)
    return { perSecond: (took.length * callers) / seconds, p50: took[took.length >> 1] ?? 0 }
  } finally {
    child.disconnect()
  }
}

async function payee(callers: number): Promise<void> {
  const ecdsa = loadEcdsa()
  const [key, signature] = [ecdsa.publicKeyOf(SECRET), ecdsa.sign(SECRET, DIGEST)]
  const directory = await mkdtemp(join(tmpdir(), 'paychan-ideal-'))
  const log = await open(join(directory, 'log'), 'w')
  const server = createServer({ noDelay: true }, (socket) => {
    let left = roundBytes(callers)
    const answer = async (): Promise<void> => {
      if (!ecdsa.verify(key, DIGEST, signature)) throw new Error('a good signature was refused')
      await log.write(new Uint8Array(roundBytes(callers)))
      await log.datasync()
      socket.write('!')
    }
    socket.on('data', ({ length }) => {
      left -= length
      if (left > 0) return
      left = roundBytes(callers)
      answer().catch(() => socket.destroy())
    })
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    process.send?.(typeof address === 'object' ? address?.port : undefined)
  })
  await once(process, 'disconnect')
  server.close()
  await log.close()
  await rm(directory, { recursive: true, force: true })
}

if (process.send !== undefined && import.meta.url === `file://${process.argv[1] ?? ''}`) {
  await payee(Number(process.argv[2]))
}
