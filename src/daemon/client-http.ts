/** The client's half of HTTP: reads an answer, and explains why there is none. */
import type { IncomingMessage } from 'node:http'
import { dirname } from 'node:path'
import { z } from 'zod'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { errorRecord } from './wire.js'

const answerSchema = z.union([z.object({ error: errorRecord }), z.object({ result: z.unknown() })])

export type Answer = z.infer<typeof answerSchema>

/** Reads the whole body of an answer. @throws PaychanError `ERR_API_FAILED` */
export async function readAnswer(response: IncomingMessage, what: string): Promise<Answer> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) chunks.push(chunk)
    return answerSchema.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')))
  } catch (error) {
    throw failed(what, error)
  }
}

/** A connection's error as one that people can act on. */
export function explain(error: Error, socketPath: string, what: string): PaychanError {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ECONNREFUSED': {
      const dataDir = dirname(socketPath)
      return new PaychanError(
        'ERR_NODE_NOT_RUNNING',
        `No node is running on ${dataDir}: start it with \`paychan start --data ${dataDir}\`.`,
        { dataDir },
        { cause: error }
      )
    }
    case 'EACCES':
    case 'EPERM':
      return new PaychanError(
        'ERR_API_FORBIDDEN',
        `${socketPath} belongs to another user. Run this as the user who started the node.`,
        { socketPath },
        { cause: error }
      )
    default:
      return failed(what, error)
  }
}

function failed(what: string, error: unknown): PaychanError {
  return new PaychanError(
    'ERR_API_FAILED',
    `The connection to the node broke during '${what}' (${messageOf(error)}). Whether it was done is unknown: look with \`paychan channels\` and \`paychan payments\`.`,
    { what },
    { cause: error }
  )
}
