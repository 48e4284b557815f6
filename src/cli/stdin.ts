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
export function stdinLines (input: NodeJS.ReadStream, prompts: NodeJS.WritableStream): Lines {
  let piped: AsyncIterator<string> | undefined
  return {
    isTTY: input.isTTY,
    readLine: async prompt => {
      if (input.isTTY) return await askHidden(input, prompts, prompt)
      piped ??= createInterface({ input })[Symbol.asyncIterator]()
      const next = await piped.next()
      return next.done === true ? undefined : next.value
    }
  }
}

async function askHidden (input: NodeJS.ReadStream, prompts: NodeJS.WritableStream, prompt: string): Promise<string | undefined> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => { done() } })
  prompts.write(prompt)
  const lines: Interface = createInterface({ input, output: nowhere, terminal: true })
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      lines.once('line', resolve)
      lines.once('close', () => { resolve(undefined) })
      lines.once('SIGINT', () => { reject(new PaychanError('ERR_CANCELLED', 'Cancelled; nothing was changed.')) })
    })
  } finally {
    lines.close()
    prompts.write('\n')
  }
}
