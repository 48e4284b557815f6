/** Totals of a whole simulation, in the same words for the report and the terminal. */
import type { Results } from '../results.js'
import { count, plural } from './format.js'

/**
 * `59 channels (20 of the scenario, 39 that followed them)`: renewals and reopened channels count
 * separately.
 */
export function channelsText({
  scenario,
  channels
}: Pick<Results, 'scenario' | 'channels'>): string {
  const [planned, all] = [scenario.channels, channels.length]
  if (all < planned) return `${count(all)} of the ${plural(planned, 'channel')} of the scenario`
  return `${plural(all, 'channel')}${all === planned ? '' : ` (${count(planned)} of the scenario, ${count(all - planned)} that followed them)`}`
}

/** `, 12 off (payer or payee was switched off)`; nothing when there were none. */
export function offText({ off }: Pick<Results['payments'], 'off'>): string {
  return off > 0 ? `, ${count(off)} off (payer or payee was switched off)` : ''
}
