/**
 * The world of the command line, as an argument: so that a test can run a command without a
 * process.
 */
import { createReadStream } from 'node:fs'
import { text } from 'node:stream/consumers'
import { codeOf } from '../types/errors.js'
import { stdinLines, type Lines } from './stdin.js'

export interface Sink {
  readonly isTTY: boolean
  /** How wide a terminal is now; undefined where nobody looks. */
  readonly columns: number | undefined
  write: (text: string) => void
}

export interface Io {
  /** Results. */
  readonly stdout: Sink
  /** Progress, warnings and errors. */
  readonly stderr: Sink
  /** What a person types, or a program pipes in. */
  readonly stdin: Lines
  /** All that can be read from a file descriptor that whoever started this process left open. */
  readonly readDescriptor: (descriptor: number) => Promise<string>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Calls back after so many milliseconds. Returns how to call it off. */
  readonly after: (ms: number, callback: () => void) => () => void
  /**
   * Calls back when the person, or the system, asks the process to end. Returns how to stop
   * listening.
   */
  readonly onInterrupt: (callback: (signal: string) => void) => () => void
}

/**
 * The world of this process.
 *
 * @param onLost - called when a result could not be written: a full disk, for one
 */
export function processIo(onLost: (error: Error) => void = () => {}): Io {
  return {
    stdout: sink(process.stdout, onLost),
    stderr: sink(process.stderr, () => {}),
    stdin: stdinLines(process.stdin, process.stderr),
    readDescriptor: async (descriptor) => await text(createReadStream('', { fd: descriptor })),
    env: process.env,
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms)
      return () => {
        clearTimeout(timer)
      }
    },
    onInterrupt: (callback) => {
      const signals = ['SIGINT', 'SIGTERM'] as const
      for (const signal of signals) process.on(signal, callback)
      return () => {
        for (const signal of signals) process.off(signal, callback)
      }
    }
  }
}

/** `isTTY` is left out, not false, where nobody looks. */
type StandardStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean
  readonly columns?: number
}

function sink(stream: StandardStream, onLost: (error: Error) => void): Sink {
  const isTTY = stream.isTTY === true
  // A reader that has gone (`paychan payments | head`) has what it wanted.
  stream.on('error', (error: Error) => {
    if (codeOf(error) !== 'EPIPE') onLost(error)
  })
  return {
    isTTY,
    // People change the size of a window.
    get columns() {
      return isTTY ? stream.columns : undefined
    },
    write: (text) => {
      stream.write(text)
    }
  }
}
