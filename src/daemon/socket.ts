/** A Unix socket that only its owner can reach, at a path that no living process uses. */
import { lstat, mkdir, unlink } from 'node:fs/promises'
import { createConnection, type Server } from 'node:net'
import { dirname } from 'node:path'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import { assertSocketPath } from './paths.js'

/**
 * Takes away all bits but read and write of the owner: a socket is made with 0777 minus the umask.
 */
const OWNER_ONLY = 0o177

/**
 * Listens at `path` with mode 0600. A socket that a dead process left behind is replaced.
 *
 * @throws PaychanError `ERR_SOCKET_PATH_TOO_LONG`, `ERR_ALREADY_RUNNING` when a process answers
 *   there, `ERR_SOCKET_FAILED` when something else is in the way.
 */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  assertSocketPath(path)
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await removeStale(path)
  } catch (error) {
    throw error instanceof PaychanError ? error : failed(path, error)
  }
  await new Promise<void>((resolve, reject) => {
    const onError = (error: Error): void => {
      reject(failed(path, error))
    }
    server.once('error', onError)
    server.once('listening', () => {
      server.off('error', onError)
      resolve()
    })
    // listen() binds before it returns, so the socket never exists with wider permissions, not
    // even for the moment that a chmod afterwards would leave.
    const before = process.umask(OWNER_ONLY)
    try {
      server.listen(path)
    } finally {
      process.umask(before)
    }
  })
}

async function removeStale(path: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSocket()) {
      throw new PaychanError(
        'ERR_SOCKET_FAILED',
        `${path} is in the way: the API socket belongs there, and this is no socket. Move it away.`,
        { path }
      )
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  if (await answers(path)) {
    throw new PaychanError(
      'ERR_ALREADY_RUNNING',
      `A node is running on this data directory (it answers at ${path}). Use it, or end it with \`paychan stop\`.`,
      { path }
    )
  }
  await unlink(path)
}

/** Whether somebody listens. Only a refused connection proves that nobody does. */
async function answers(path: string): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const socket = createConnection(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => {
      resolve(codeOf(error) !== 'ECONNREFUSED')
    })
  })
}

function failed(path: string, error: unknown): PaychanError {
  if (codeOf(error) === 'EADDRINUSE') {
    return new PaychanError(
      'ERR_ALREADY_RUNNING',
      `Another process has just begun to listen at ${path}.`,
      { path },
      { cause: error }
    )
  }
  return new PaychanError(
    'ERR_SOCKET_FAILED',
    `The API socket could not be made at ${path} (${messageOf(error)}). Check the permissions of the directory.`,
    { path },
    { cause: error }
  )
}
