/** Why payments failed, how long they took; what went onto the chain; who did what. */
import type { Results } from '../../results.js'
import { count, duration, money, percent, plural, sat } from '../format.js'
import { html, type Html } from '../html.js'
import { inOrder } from '../order.js'
import { bars } from './bars.js'

export function paymentsSection(results: Results): Html {
  const { payments } = results
  const failed = Object.entries(payments.failed).sort(([a, x], [b, y]) =>
    inOrder(y - x, a < b ? -1 : 1)
  )
  const failures = failed.reduce((sum, [, number]) => sum + number, 0)
  const { latency } = payments
  const quantiles: ReadonlyArray<readonly [string, number]> = [
    ['half within', latency.p50],
    ['90 % within', latency.p90],
    ['99 % within', latency.p99],
    ['all within', latency.max],
    ['mean', latency.mean]
  ]
  return html`<section id="payments" class="columns">
<div><h2>Why payments failed</h2>
${
  failures === 0
    ? html`<p class="fine">None failed.</p>`
    : html`<p>${plural(failures, 'payment')} of ${count(payments.asked)} failed (${percent(failures / payments.asked)}). A code says what the payer was told.</p>
${bars(
  'failed payments by error code',
  failed.map(([code, number]) => ({
    label: code,
    value: number,
    text: `${count(number)} (${percent(number / failures)})`,
    colour: 1
  }))
)}`
}
</div>
<div><h2>How long payments took</h2>
${
  latency.count === 0
    ? html`<p>None was made.</p>`
    : html`<p>From <code>pay</code> to the payee’s acknowledgement on disk, in simulated time, over ${plural(latency.count, 'payment')}.</p>
${bars(
  'latency',
  quantiles.map(([label, value]) => ({ label, value, text: duration(value) }))
)}`
}
</div>
</section>`
}

const KINDS: ReadonlyArray<readonly [keyof Results['chain']['transactions'], string]> = [
  ['funding', 'T1: opens a channel'],
  ['close', 'both sides agree to end it'],
  ['settlement', 'T3: the payee takes its newest state'],
  ['refund', 'T2: the client takes back what is left'],
  ['sweep', 'collects outputs of channels'],
  ['other', 'anything else of these nodes']
]

export function chainSection(results: Results): Html {
  const { chain, capital } = results
  const number = Object.values(chain.transactions).reduce((sum, value) => sum + value, 0)
  const { lifetime } = capital
  return html`<section id="chain"><h2>On the chain</h2>
<p>${plural(chain.blocks, 'block')}, ${plural(chain.reorgs, 'reorganisation')}, ${plural(number, 'transaction')} of these nodes for ${sat(chain.fees)} in fees${number > 0 ? html` (${sat(chain.fees / number)} each)` : ''}.
${lifetime.count > 0 ? html`Of ${plural(lifetime.count, 'channel')} that ended, half lived ${plural(lifetime.p50, 'block')} or less, 90 % ${plural(lifetime.p90, 'block')} or less.` : ''} ${plural(capital.turns, 'turn was', 'turns were')} used.</p>
${bars(
  'transactions by kind',
  KINDS.map(([kind, what]) => ({
    label: `${kind}: ${what}`,
    value: chain.transactions[kind],
    text: count(chain.transactions[kind]),
    colour: 2
  }))
)}
</section>`
}

export function groupsSection(results: Results): Html {
  return html`<section id="groups"><h2>Groups</h2>
<div class="scroll" tabindex="0" role="region" aria-label="groups"><table class="grid"><thead><tr>
<th scope="col">group</th><th scope="col">role</th><th scope="col" class="number">nodes</th><th scope="col" class="number">payments made</th><th scope="col" class="number">success rate</th>
<th scope="col" class="number">fees</th><th scope="col" class="number">lost</th><th scope="col" class="number">gained</th></tr></thead><tbody>${results.groups.map(
    (group) => html`
<tr><th scope="row">${group.name}</th><td>${group.honest ? 'honest' : 'adversary'}</td><td class="number">${count(group.nodes)}</td><td class="number">${count(group.made)} of ${count(group.asked)}</td>
<td class="number">${group.asked === 0 ? '–' : percent(group.made / group.asked)}</td><td class="number">${money(group.fees)}</td><td class="number ${group.honest && group.lost > 0 ? 'bad' : ''}">${money(group.lost)}</td><td class="number">${money(group.gained)}</td></tr>`
  )}
</tbody></table></div></section>`
}
