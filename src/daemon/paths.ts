/** The location of a node's data directory, and the layout inside it. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { CONFIG_FILE, SEED_FILE } from '../node/system.js'
import { PaychanError } from '../types/errors.js'

/** The port of the API on TCP: beside the port for peers, and on the loopback interface only. */
export const DEFAULT_API = '127.0.0.1:9802'

export interface DataPaths {
  readonly config: string
  readonly seed: string
  readonly socket: string
  /** The address of the dashboard, while a node runs whose output is not a terminal. */
  readonly dashboard: string
}

/** The files of the data directory that the daemon and the command line use. */
export function dataPaths(dataDir: string): DataPaths {
  return {
    config: join(dataDir, CONFIG_FILE),
    seed: join(dataDir, SEED_FILE),
    socket: join(dataDir, 'api.sock'),
    dashboard: join(dataDir, 'dashboard')
  }
}

/**
 * `sun_path` of a Unix socket holds 104 bytes on macOS and the BSDs and 108 on Linux, the closing
 * NUL included (unix(4), unix(7)). The smaller bound, so that a data directory works on both.
 */
const MAX_SOCKET_PATH_BYTES = 103

/** @throws PaychanError `ERR_SOCKET_PATH_TOO_LONG` */
export function assertSocketPath(path: string): void {
  const length = Buffer.byteLength(path)
  if (length > MAX_SOCKET_PATH_BYTES) {
    throw new PaychanError(
      'ERR_SOCKET_PATH_TOO_LONG',
      `The path of the API socket, ${path}, has ${length} bytes, and a Unix socket's has at most ${MAX_SOCKET_PATH_BYTES}. Choose a shorter --data.`,
      { path, length, limit: MAX_SOCKET_PATH_BYTES }
    )
  }
}

/** The data directory: `--data`, else `PAYCHAN_DATA`, else `~/.paychan`. */
export function resolveDataDir(
  flag: string | undefined,
  env: Readonly<Record<string, string | undefined>>
): string {
  const chosen = [flag, env['PAYCHAN_DATA']].find((path) => path !== undefined && path !== '')
  return chosen === undefined ? join(homedir(), '.paychan') : resolve(chosen)
}
