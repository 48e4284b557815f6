/**
 * The top of the report: what was simulated, whether all is well, and the six numbers that one
 * looks for first.
 */
import type { Loss, Results } from '../../results.js'
import { count, duration, money, moment, percent, plural, sat } from '../format.js'
import { html, type Html } from '../html.js'
import { channelsText, offText } from '../totals.js'

interface Tile {
  readonly label: string
  readonly value: string
  readonly detail: string
  /** An explained loss is a warning, one that nothing explains a bug. */
  readonly mood: 'plain' | 'good' | 'warn' | 'bad'
}

/** `2 economics, 1 absence` */
function reasons(losses: readonly Loss[]): string {
  const counts = new Map<string, number>()
  for (const { why } of losses) counts.set(why, (counts.get(why) ?? 0) + 1)
  return [...counts].map(([why, number]) => `${count(number)} ${why}`).join(', ')
}

export function tilesOf(results: Results): Tile[] {
  const { payments, chain, capital, losses, attacks } = results
  const honest = losses.filter((loss) => loss.honest)
  const lost = honest.reduce((sum, loss) => sum + loss.amount, 0)
  const profit = attacks.reduce((sum, attack) => sum + attack.profit, 0)
  const succeeded = attacks.filter((attack) => attack.succeeded).length
  const transactions = Object.values(chain.transactions).reduce((sum, number) => sum + number, 0)
  return [
    {
      label: 'Success rate',
      value: payments.asked === 0 ? '–' : percent(payments.made / payments.asked),
      detail:
        payments.asked === 0
          ? 'no payment was asked for'
          : `${count(payments.made)} made of ${count(payments.asked)} asked for${payments.unknown > 0 ? `, ${count(payments.unknown)} unknown at the end` : ''}${offText(payments)}`,
      mood: 'plain'
    },
    {
      label: 'Payments made',
      value: count(payments.made),
      detail: `${money(payments.volume)} in all, one every ${payments.throughput > 0 ? duration(1 / payments.throughput) : '–'}`,
      mood: 'plain'
    },
    {
      label: 'Chain fees per payment',
      value: payments.made === 0 ? '–' : sat(chain.feesPerPayment),
      detail: `${money(chain.fees)} for ${plural(transactions, 'transaction')}`,
      mood: 'plain'
    },
    {
      label: 'Capital locked',
      value: money(capital.locked),
      detail: `mean over time; ${percent(capital.idle)} of it without a payment for a day`,
      mood: 'plain'
    },
    {
      label: 'Losses of honest nodes',
      value: money(lost),
      detail:
        honest.length === 0
          ? 'none'
          : `${plural(honest.length, 'loss', 'losses')}: ${reasons(honest)}`,
      mood:
        honest.length === 0
          ? 'good'
          : honest.some(({ why }) => why === 'unexplained')
            ? 'bad'
            : 'warn'
    },
    {
      label: 'Attackers’ profit',
      value: money(profit),
      detail:
        attacks.length === 0
          ? 'no attack'
          : `${count(succeeded)} of ${plural(attacks.length, 'attack')} succeeded`,
      mood: attacks.length === 0 ? 'plain' : profit > 0 ? 'warn' : 'good'
    }
  ]
}

function tile({ label, value, detail, mood }: Tile): Html {
  return html`<div class="tile ${mood}"><dt>${label}</dt><dd><strong>${value}</strong><span>${detail}</span></dd></div>`
}

/** In red, above everything: a bug of the simulator or of the node. */
export function brokenSection(results: Results): Html {
  if (results.broken.length === 0) return html``
  return html`<section class="alarm" id="broken" role="alert">
<h2>${plural(results.broken.length, 'invariant')} did not hold</h2>
<p>This is a bug: of the node, or of the simulator. Run the scenario again with seed ${results.scenario.seed} to see it once more.</p>
<ul>${results.broken.slice(0, 100).map(({ time, rule, text }) => html`<li><strong>${rule}</strong> at ${moment(time)}: ${text}</li>`)}</ul>
${results.broken.length > 100 ? html`<p>These are the first 100; the others are in results.json.</p>` : ''}
</section>`
}

export function headSection(results: Results): Html {
  const { scenario } = results
  const days = results.simulated / 86_400
  const facts = [
    `seed ${scenario.seed}`,
    results.complete
      ? plural(scenario.days, 'day')
      : `${count(days, 2)} of ${plural(scenario.days, 'day')}`,
    plural(scenario.nodes, 'node'),
    channelsText(results),
    plural(results.events, 'event')
  ]
  return html`<header>
<p class="kind">paychan simulation</p>
<h1>${scenario.name}</h1>
${scenario.description === '' ? '' : html`<p class="description">${scenario.description}</p>`}
<p class="facts">${facts.map((fact) => html`<span>${fact}</span>`)}<span class="badge ${results.complete ? 'good' : 'warn'}">${results.complete ? 'complete' : 'interrupted'}</span>${scenario.model ? html`<span class="badge warn">model: no real signatures</span>` : ''}</p>
${results.complete ? '' : html`<p class="notice">It was interrupted after ${duration(results.simulated)} of simulated time: everything is as it was then.</p>`}
</header>
<dl class="tiles">${tilesOf(results).map(tile)}</dl>`
}
