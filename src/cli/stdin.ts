/** What a person types, or a program pipes in, line by line. */
import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import { PaychanError } from '../types/errors.js'

export interface Lines {
  readonly isTTY: boolean
  /**
   * The next line, undefined at the end of the input. A person is asked with `prompt`; nothing of
   * what they type is shown. Errors: `ERR_CANCELLED` (Ctrl-C).
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

/**
 * Whoever pastes several lines has given them all: those that came with the one that was asked for
 * answer the next questions.
 */
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
