/** Reads the `config.json` of a data directory. */
import { readFile } from 'node:fs/promises'
import { codeOf, PaychanError } from '../types/errors.js'
import type { Network } from '../../protocols/paychan/1.0/index.js'
import {
  namedNetworkOf,
  resolveConfig,
  type ConfigFlags,
  type ConfigSources,
  type NodeConfig
} from './config.js'
import { parseConfigText } from './config-schema.js'
import { dataPaths } from './paths.js'

/**
 * Loads the configuration of a data directory's node. A missing file is an empty one.
 *
 * @throws PaychanError `ERR_CONFIG_UNREADABLE`, and what `resolveConfig` throws
 */
export async function loadConfig(
  dataDir: string,
  env: ConfigSources['env'],
  flags: ConfigFlags
): Promise<NodeConfig> {
  return resolveConfig({ dataDir, file: await fileOf(dataDir), env, flags })
}

/**
 * The network that a data directory is meant for, when its configuration or the environment says
 * so.
 *
 * @throws PaychanError as `loadConfig`
 */
export async function namedNetwork(
  dataDir: string,
  env: ConfigSources['env']
): Promise<Network | undefined> {
  return namedNetworkOf({ file: await fileOf(dataDir), env })
}

async function fileOf(dataDir: string): Promise<ConfigSources['file']> {
  const path = dataPaths(dataDir).config
  const text = await readIfPresent(path)
  return text === undefined ? undefined : { path, content: parseConfigText(text, path) }
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw new PaychanError(
      'ERR_CONFIG_UNREADABLE',
      `${path} cannot be read (${codeOf(error)}). Check who owns it.`,
      { path, reason: codeOf(error) },
      { cause: error }
    )
  }
}
