/** Scenarios from files, and the presets of the program. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf, PaychanError } from '../../types/errors.js'
import { nearest } from '../../types/amount.js'
import { MOST_TRACE_BYTES, parseScenario, type ReadFile, type Reading } from './scenario-file.js'
import type { Scenario } from './scenario.js'
import { MOST_BYTES, type YamlFile } from './yaml-file.js'

/** `scenarios/` of the package, beside `dist/`. */
const PRESETS = fileURLToPath(new URL('../../../../scenarios/', import.meta.url))

/** The names of the presets, in order. */
export function presetNames(): string[] {
  return readdirSync(PRESETS)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => basename(name, '.yaml'))
    .sort()
}

/** A scenario's text, and its location. */
export interface ScenarioText {
  readonly text: string
  readonly file: string
}

/**
 * The text of a scenario file, or of a preset by its name.
 *
 * @throws PaychanError `ERR_NO_SCENARIO` (facts: name)
 * @example readScenarioText('pair').text
 */
export function readScenarioText(name: string): ScenarioText {
  if (presetNames().includes(name)) {
    return {
      text: readFileSync(join(PRESETS, `${name}.yaml`), 'utf8'),
      file: join(PRESETS, `${name}.yaml`)
    }
  }
  try {
    // Twice as many bytes as characters: room for letters that take more than one.
    return { text: readBounded(resolve(name), MOST_BYTES * 2), file: name }
  } catch (error) {
    const close = nearest(name, presetNames())
    const hint =
      close === undefined
        ? 'paychan simulate list shows those that come with the program.'
        : `Did you mean the preset '${close}'?`
    throw new PaychanError(
      'ERR_NO_SCENARIO',
      `The scenario ${name} cannot be read (${messageOf(error)}). ${hint}`,
      { name },
      { cause: error }
    )
  }
}

function readBounded(path: string, most: number): string {
  const stat = statSync(path)
  if (!stat.isFile()) throw new Error('it is not a file')
  if (stat.size > most) {
    throw new Error(
      `it has ${stat.size.toLocaleString('en')} bytes, and at most ${most.toLocaleString('en')} are read`
    )
  }
  return readFileSync(path, 'utf8')
}

/**
 * A scenario from a file or a preset.
 *
 * @throws PaychanError `ERR_NO_SCENARIO`; ScenarioError `ERR_SCENARIO_INVALID`
 */
export function loadScenario(name: string, change?: Reading['change']): Scenario {
  return parseText(readScenarioText(name), change)
}

/** The same from a text in memory. @throws ScenarioError `ERR_SCENARIO_INVALID` */
export function parseText({ text, file }: ScenarioText, change?: Reading['change']): Scenario {
  const shownAs = dirname(file) + '/' === PRESETS ? basename(file) : file
  const readFile: ReadFile = (trace) => ({
    text: readBounded(resolve(dirname(file), trace), MOST_TRACE_BYTES),
    file: trace
  })
  return parseScenario(text, { file: shownAs, readFile, change })
}

/* Settings on the command line: they count as if they stood in the scenario file. */

export type Settings = Readonly<Record<string, number | string | boolean>>

/** Puts settings such as `seed` and `days` into a scenario. */
export function applySettings(yaml: YamlFile, settings: Settings): void {
  for (const [key, value] of Object.entries(settings)) yaml.set([key], value)
}
