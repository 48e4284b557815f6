/**
 * What is said beside a scenario file, on the command line: it counts as if it stood in the file.
 */
import type { YamlFile } from './yaml-file.js'

export type Settings = Readonly<Record<string, number | string | boolean>>

/** Puts settings such as `seed` and `days` into a scenario. */
export function applySettings(yaml: YamlFile, settings: Settings): void {
  for (const [key, value] of Object.entries(settings)) yaml.set([key], value)
}
