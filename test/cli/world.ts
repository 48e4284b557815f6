/** A command line without a process: what it writes is kept, and a test presses Ctrl-C. */
import type { CreateNode, Outside } from '../../src/cli/context.js'
import { run } from '../../src/cli/program.js'

export interface TestWorld extends Outside {
  readonly out: () => string
  readonly err: () => string
  /** As if the person pressed Ctrl-C. */
  readonly interrupt: () => void
  /** As if a long time passed. */
  readonly pass: () => void
  /** Resolves once stdout or stderr hold `text`. */
  readonly printed: (text: string) => Promise<void>
  readonly run: (...argv: string[]) => Promise<number>
}

export interface WorldOptions {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly env?: Record<string, string>
  readonly createNode?: CreateNode
  readonly simulator?: Outside['simulator']
  readonly sweepScript?: URL
  readonly lines?: readonly string[]
  readonly descriptors?: Readonly<Record<number, string>>
}

export function testWorld({
  isTTY = false,
  columns,
  env = {},
  createNode = refuseToStart,
  simulator = refuseToSimulate,
  sweepScript,
  lines = [],
  descriptors = {}
}: WorldOptions = {}): TestWorld {
  let out = ''
  let err = ''
  const typed = [...lines]
  const onSignal = new Set<(signal: string) => void>()
  const waiting = new Set<() => void>()
  const timers = new Set<() => void>()
  const world: Outside = {
    createNode,
    simulator,
    ...(sweepScript === undefined ? {} : { sweepScript }),
    io: {
      stdout: {
        isTTY,
        columns,
        write: (text) => {
          out += typeof text === 'string' ? text : Buffer.from(text).toString()
          for (const check of [...waiting]) check()
        }
      },
      stderr: {
        isTTY,
        columns,
        write: (text) => {
          err += typeof text === 'string' ? text : Buffer.from(text).toString()
          for (const check of [...waiting]) check()
        }
      },
      stdin: {
        isTTY,
        readLine: async (prompt) => {
          if (isTTY) err += prompt
          return typed.shift()
        }
      },
      readDescriptor: async (descriptor) => descriptors[descriptor] ?? '',
      env,
      after: (_ms, callback) => {
        timers.add(callback)
        return () => {
          timers.delete(callback)
        }
      },
      onInterrupt: (callback) => {
        onSignal.add(callback)
        return () => {
          onSignal.delete(callback)
        }
      }
    }
  }
  return {
    ...world,
    out: () => out,
    err: () => err,
    interrupt: () => {
      for (const listener of [...onSignal]) listener('SIGINT')
    },
    pass: () => {
      const due = [...timers]
      timers.clear()
      for (const callback of due) callback()
    },
    printed: async (text) => {
      await new Promise<void>((resolve) => {
        const check = (): void => {
          if (!out.includes(text) && !err.includes(text)) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      })
    },
    run: async (...argv) => await run(argv, world)
  }
}

const refuseToStart: CreateNode = async () => {
  throw new Error('this test starts no node')
}

const refuseToSimulate: Outside['simulator'] = async () => {
  throw new Error('this test simulates nothing')
}
