/**
 * The world of the command line, as an argument, so that a test can run a command without a
 * process.
 */
import { createReadStream } from 'node:fs'
import { text } from 'node:stream/consumers'
import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import { codeOf, PaychanError } from '../types/errors.js'

export interface Sink {
  readonly isTTY: boolean
  /** Width of the terminal in columns now; undefined without a terminal. */
  readonly columns: number | undefined
  /** Text, or the bytes of a page that is passed on. */
  write: (text: string | Uint8Array) => void
}

export interface Io {
  /** Results. */
  readonly stdout: Sink
  /** Progress, warnings and errors. */
  readonly stderr: Sink
  /** Lines that a person types, or a program pipes in. */
  readonly stdin: Lines
  /** Reads everything from a file descriptor that the parent process left open. */
  readonly readDescriptor: (descriptor: number) => Promise<string>
  readonly env: Readonly<Record<string, string | undefined>>
  /** Calls back after some milliseconds. Returns a function that cancels it. */
  readonly after: (ms: number, callback: () => void) => () => void
  /**
   * Calls back when the person, or the system, asks the process to end. Returns a function that
   * stops listening.
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

/** `isTTY` is missing, not false, without a terminal. */
type StandardStream = NodeJS.WritableStream & {
  readonly isTTY?: boolean
  readonly columns?: number
}

function sink(stream: StandardStream, onLost: (error: Error) => void): Sink {
  const isTTY = stream.isTTY === true
  // A reader that has gone (`paychan payments | head`) has enough.
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

/** Lines that a person types, or a program pipes in, one by one. */
interface Lines {
  readonly isTTY: boolean
  /**
   * The next line; undefined at the end of the input. A person is asked with `prompt`; the typed
   * text is not shown. Errors: `ERR_CANCELLED` (Ctrl-C).
   */
  readLine: (prompt: string) => Promise<string | undefined>
}

/** The lines of this process's standard input; nothing is read before the first is asked for. */
export function stdinLines(
  input: NodeJS.ReadableStream & { readonly isTTY?: boolean },
  prompts: NodeJS.WritableStream
): Lines {
  const isTTY = input.isTTY === true
  let piped: AsyncIterator<string> | undefined
  const ahead: Ahead = { lines: [], rest: '' }
  return {
    isTTY,
    readLine: async (prompt) => {
      if (isTTY) return await askHidden(input, prompts, prompt, ahead)
      piped ??= createInterface({ input })[Symbol.asyncIterator]()
      const next = await piped.next()
      return next.done === true ? undefined : next.value
    }
  }
}

/** Pasted lines beyond the one that was asked for; they answer the next questions. */
interface Ahead {
  readonly lines: string[]
  rest: string
}

async function askHidden(
  input: NodeJS.ReadableStream,
  prompts: NodeJS.WritableStream,
  prompt: string,
  ahead: Ahead
): Promise<string | undefined> {
  prompts.write(prompt)
  const waiting = ahead.lines.shift()
  if (waiting !== undefined) {
    prompts.write('\n')
    return waiting
  }
  const nowhere = new Writable({
    write: (_chunk, _encoding, done) => {
      done()
    }
  })
  const lines: Interface = createInterface({ input, output: nowhere, terminal: true })
  lines.write(ahead.rest)
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      lines.on('line', (line) => {
        ahead.lines.push(line)
      })
      lines.once('line', () => {
        resolve(ahead.lines.shift())
      })
      lines.once('close', () => {
        resolve(undefined)
      })
      lines.once('SIGINT', () => {
        reject(new PaychanError('ERR_CANCELLED', 'Cancelled; nothing was changed.'))
      })
    })
  } finally {
    ahead.rest = lines.line
    lines.close()
    prompts.write('\n')
  }
}
