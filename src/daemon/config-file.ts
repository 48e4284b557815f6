/** Reads the `config.json` of a data directory. */
import { readFile } from 'node:fs/promises'
import { codeOf, PaychanError } from '../types/errors.js'
import { resolveConfig, type ConfigFlags, type ConfigSources, type NodeConfig } from './config.js'
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
  const path = dataPaths(dataDir).config
  const text = await readIfPresent(path)
  const file = text === undefined ? undefined : { path, content: parseConfigText(text, path) }
  return resolveConfig({ dataDir, file, env, flags })
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
