/** The world of the command line, as an argument: so that a test can run a command without a process. */

export interface Sink {
  readonly isTTY: boolean
  write: (text: string) => void
}

export interface Io {
  /** Results. */
  readonly stdout: Sink
  /** Progress, warnings and errors. */
  readonly stderr: Sink
  readonly env: Readonly<Record<string, string | undefined>>
  /** Calls back after so many milliseconds. Returns how to call it off. */
  readonly after: (ms: number, callback: () => void) => () => void
  /** Calls back when the person, or the system, asks the process to end. Returns how to stop listening. */
  readonly onInterrupt: (callback: (signal: string) => void) => () => void
}

/** The world of this process. */
export function processIo (): Io {
  return {
    stdout: sink(process.stdout),
    stderr: sink(process.stderr),
    env: process.env,
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms)
      return () => { clearTimeout(timer) }
    },
    onInterrupt: callback => {
      const signals = ['SIGINT', 'SIGTERM'] as const
      for (const signal of signals) process.on(signal, callback)
      return () => { for (const signal of signals) process.off(signal, callback) }
    }
  }
}

function sink (stream: NodeJS.WriteStream): Sink {
  // A reader that has gone (`paychan payments | head`) is no reason to crash.
  stream.on('error', () => {})
  return { isTTY: stream.isTTY, write: text => { stream.write(text) } }
}
