/** Calls from the bench to its node processes, over the channel that `fork` makes. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { ChannelInfo } from '../src/node/api.js'
import type { LocalFloors } from './floors.js'
import type { Load } from './load.js'
import type { Calling } from './paid-calls.js'

/** The calls of a node process. */
export interface NodeCalls {
  start: (dataDir: string, electrum: string) => Promise<{ multiaddr: string; ecdsa: string }>
  address: () => Promise<string>
  confirmed: () => Promise<bigint>
  height: () => Promise<number>
  /**
   * Opens a channel, as soon as T1 is sent; its id. With `turns` it is a two-way one, which both
   * sides can pay on in so many turns.
   */
  open: (peer: string, capacity: bigint, turns?: number) => Promise<string>
  /** So many payments at once of so many satoshis each. */
  payOnce: (channel: string, payments: number, amount: bigint) => Promise<void>
  channel: () => Promise<ChannelInfo | undefined>
  /** The ids of the channels that can be paid on. */
  payable: () => Promise<string[]>
  /** Microseconds of CPU that this process has used so far. */
  cpu: () => Promise<number>
  /**
   * Bytes of the heap without garbage, of the data directory, and written to the disk so far (not a
   * number where the system does not count them).
   */
  usage: () => Promise<{
    readonly heap: number
    readonly disk: number
    readonly written: number
  }>
  localFloors: () => Promise<LocalFloors>
  roundTrip: (multiaddr: string) => Promise<number>
  /** Bytes of the heap that one of so many payments takes while all of them wait. */
  waiting: (channel: string, payments: number) => Promise<number>
  /**
   * Payments of 1 sat by so many callers, who share the channels evenly, for so many milliseconds.
   */
  pay: (channels: readonly string[], callers: number, ms: number) => Promise<Load>
  /** Sells calls by HTTP and on streams; the URL of the priced server. */
  sell: () => Promise<string>
  /** Gets ready to buy calls there, and on streams to a multiaddr. */
  buy: (url: string, multiaddr: string) => Promise<void>
  calls: (calling: Calling) => Promise<Load>
  stop: () => Promise<void>
}

type Reply =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string }

export interface NodeProcess {
  readonly call: NodeCalls
  /** Stops the node, and waits until the process is gone. */
  leave: () => Promise<void>
  /** Ends the process, whatever it does. */
  end: () => Promise<void>
}

/** Starts `module` as a process. Calls are answered one after another. */
export function startProcess(module: URL, execArgv: readonly string[]): NodeProcess {
  const child = fork(module, {
    serialization: 'advanced',
    execArgv: [...execArgv],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  const ended = new Promise<never>((_resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      reject(new Error(`A node process ended (${String(code)}).`))
    })
  })
  ended.catch(() => {})
  const call = async (name: string, args: unknown[]): Promise<unknown> => {
    const answer = new Promise<Reply>((resolve) => {
      child.once('message', (reply) => {
        resolve(reply as Reply)
      })
    })
    child.send({ name, args })
    const reply = await Promise.race([answer, ended])
    if (!reply.ok) throw new Error(reply.message)
    return reply.value
  }
  let last: Promise<unknown> = Promise.resolve()
  const calls = new Proxy({} as NodeCalls, {
    get:
      (_target, name) =>
      (...args: unknown[]) => {
        const answer = last.then(() => call(String(name), args))
        last = answer.catch(() => {})
        return answer
      }
  })
  return {
    call: calls,
    leave: async () => {
      const exited = once(child, 'exit')
      await calls.stop()
      await exited
    },
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill()
      await exited
    }
  }
}

/** The side of the process: answers every call with what its method resolves to. */
export function answerCalls(calls: NodeCalls): void {
  process.on('message', ({ name, args }: { name: keyof NodeCalls; args: unknown[] }) => {
    const method = calls[name] as (...args: unknown[]) => Promise<unknown>
    method(...args)
      .then(
        (value): Reply => ({ ok: true, value }),
        (error: unknown): Reply => ({
          ok: false,
          message: error instanceof Error ? error.message : String(error)
        })
      )
      .then((reply) => process.send?.(reply))
      .catch(() => {
        process.exit(1)
      })
  })
}
