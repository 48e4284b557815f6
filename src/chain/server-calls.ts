/**
 * Calls that a person or the engine waits for: they wait a bounded time for a server, and are made
 * again at the next session when the connection ends under them. So a call must be one that may be
 * made twice.
 */
import type { Clock, Unsubscribe } from '../engine/ports.js'
import { messageOf } from '../types/errors.js'
import { unavailable } from './electrum/rpc.js'
import type { ElectrumClient } from './electrum/client.js'
import type { ElectrumSession } from './electrum/session.js'

export class ServerCalls {
  readonly #pending = new Set<(error: Error) => void>()
  #stopped = false

  /**
   * @param timeout - milliseconds, for the whole call with all its tries
   * @param why - what to say when they have passed
   */
  constructor(
    private readonly client: Pick<ElectrumClient, 'whenReady'>,
    private readonly clock: Clock,
    private readonly timeout: number,
    private readonly why: () => string
  ) {}

  /**
   * @param what - completes "Could not ..."
   * @throws PaychanError `ERR_CHAIN_UNAVAILABLE`, and what `use` rejects with while its session
   *   lives
   */
  make<T>(what: string, use: (session: ElectrumSession) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) return reject(stoppedError(what))
      let over = false
      let cancelWait: Unsubscribe = () => {}
      const finish = (): void => {
        over = true
        cancelWait()
        cancelTimeout()
        this.#pending.delete(fail)
      }
      const fail = (error: Error): void => {
        finish()
        reject(error)
      }
      const cancelTimeout = this.clock.after(this.timeout, () => {
        fail(unavailable(`Could not ${what}: ${this.why()}`))
      })
      this.#pending.add(fail)
      const attempt = (): void => {
        cancelWait = this.client.whenReady((session) => {
          use(session).then(
            (value) => {
              finish()
              resolve(value)
            },
            (error: unknown) => {
              if (over) return
              if (!session.isOpen) attempt()
              else fail(error instanceof Error ? error : new Error(messageOf(error)))
            }
          )
        })
      }
      attempt()
    })
  }

  /** Rejects everything that waits, and everything to come. */
  stop(): void {
    this.#stopped = true
    for (const fail of [...this.#pending]) fail(stoppedError('do it'))
  }
}

function stoppedError(what: string): Error {
  return unavailable(`Could not ${what}: the chain connection was stopped.`)
}
