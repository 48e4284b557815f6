/** What can be said on the line beside a scenario. */
import { InvalidArgumentError } from 'commander'
import type { Settings } from '../sim/scenario/settings.js'

export interface SimulateFlags {
  readonly seed?: number
  readonly days?: number
  readonly model?: true
  readonly out?: string
  readonly force?: true
}

/** A number of days, whole or not. */
export function readDays(text: string): number {
  if (!/^\d{1,4}(\.\d{1,4})?$/.test(text)) {
    throw new InvalidArgumentError('It must be a number of days, such as 7 or 0.5.')
  }
  return Number(text)
}

/** As if it stood in the scenario. */
export function settingsOf({ seed, days, model }: SimulateFlags): Settings {
  return {
    ...(seed === undefined ? {} : { seed }),
    ...(days === undefined ? {} : { days }),
    ...(model === undefined ? {} : { model })
  }
}
