/** Asks a running devnet, over its Electrum port, what no real server offers: blocks and coins. */
import { createConnection, type Socket } from 'node:net'
import { z } from 'zod'
import { messageOf, PaychanError } from '../types/errors.js'

/** Mining the most that one request may ask for, 10,000 blocks, takes seconds. */
const TIMEOUT_MS = 60_000

/** 10,000 block hashes are 680 kB. */
const MAX_ANSWER_BYTES = 4_194_304

/** JSON-RPC 2.0: the method does not exist. */
const UNKNOWN_METHOD = -32601

const answerSchema = z.object({
  id: z.number().optional(),
  result: z.unknown().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional()
})

/**
 * One call of the devnet at `url` (`tcp://HOST:PORT`).
 *
 * @throws PaychanError `ERR_CHAIN_UNAVAILABLE` when nobody answers, `ERR_DEVNET_REFUSED` when the
 *   devnet refuses, `ERR_NO_DEVNET` when it is another Electrum server.
 */
export async function callDevnet(
  url: string,
  method: string,
  params: readonly unknown[]
): Promise<unknown> {
  const { hostname, port } = new URL(url)
  const socket = createConnection({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) })
  socket.setTimeout(TIMEOUT_MS, () => {
    socket.destroy(new Error('no answer within a minute'))
  })
  const requests = [
    // Electrum 1.6: server.version comes first.
    { jsonrpc: '2.0', id: 0, method: 'server.version', params: ['paychan', '1.4'] },
    { jsonrpc: '2.0', id: 1, method, params }
  ]
  socket.write(requests.map((request) => `${JSON.stringify(request)}\n`).join(''))
  try {
    for await (const line of lines(socket)) {
      const { id, error, result } = answerSchema.parse(JSON.parse(line))
      if (id !== 1) continue
      if (error === undefined) return result
      if (error.code === UNKNOWN_METHOD) {
        throw new PaychanError(
          'ERR_NO_DEVNET',
          `${url} is an Electrum server, but no devnet: it does not make blocks or coins.`,
          { url }
        )
      }
      throw new PaychanError(
        'ERR_DEVNET_REFUSED',
        `The devnet refused: ${error.message.replace(/\.$/, '')}.`,
        { url, reason: error.message }
      )
    }
    throw new Error('the connection ended before the answer')
  } catch (error) {
    if (error instanceof PaychanError) throw error
    throw new PaychanError(
      'ERR_CHAIN_UNAVAILABLE',
      `No devnet answers at ${url} (${messageOf(error)}). Start one with \`paychan devnet\`, or say where it is with --electrum.`,
      { url },
      { cause: error }
    )
  } finally {
    socket.destroy()
  }
}

async function* lines(socket: Socket): AsyncGenerator<string> {
  let rest = ''
  socket.setEncoding('utf8')
  for await (const text of socket as AsyncIterable<string>) {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    if (rest.length > MAX_ANSWER_BYTES) throw new Error('the answer is too long')
    yield* parts
  }
}
