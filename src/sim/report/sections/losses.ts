/** The table that must be empty for honest nodes, or explained; and what attacks came to. */
import type { Attack, Loss, Results } from '../../results.js'
import { count, money, percent, plural, sat } from '../format.js'
import { html, type Html } from '../html.js'
import { inOrder } from '../order.js'

/** More rows than anybody reads; all are in `results.json`. */
const MOST_ROWS = 500

const WHY: Readonly<Record<Loss['why'], string>> = {
  economics: 'publishing was not worth its fee, or the other side bid more than it was worth',
  absence: 'the node was down past a deadline',
  stuck: 'its transaction was in no block in time',
  lied: 'none of the servers that it asked told the truth, or answered',
  forgot: 'its disk had lost writes that it had called safe',
  dishonest: 'an adversary plays the node',
  unexplained: 'nothing explains it: a bug'
}

function table(losses: readonly Loss[]): Html {
  const shown = [...losses]
    .sort((a, b) => inOrder(b.amount - a.amount, a.height - b.height, a.channel - b.channel))
    .slice(0, MOST_ROWS)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="losses"><table class="grid"><thead><tr>
<th scope="col">node</th><th scope="col" class="number">channel</th><th scope="col" class="number">height</th><th scope="col" class="number">lost</th><th scope="col">why</th><th scope="col">what happened</th>
</tr></thead><tbody>${shown.map(
    (loss) => html`
<tr class="${loss.why === 'unexplained' ? 'bad' : ''}"><th scope="row">${loss.node}</th><td class="number">${loss.channel}</td><td class="number">${count(loss.height)}</td><td class="number">${sat(loss.amount)}</td><td>${loss.why}</td><td class="text">${loss.text}</td></tr>`
  )}
</tbody></table></div>
${shown.length < losses.length ? html`<p class="note">These are the ${count(shown.length)} largest of ${count(losses.length)}; all are in results.json.</p>` : ''}`
}

function reasonsList(losses: readonly Loss[]): Html {
  const reasons = (Object.keys(WHY) as Array<Loss['why']>)
    .map((why) => ({ why, of: losses.filter((loss) => loss.why === why) }))
    .filter(({ of }) => of.length > 0)
  return html`<ul>${reasons.map(({ why, of }) => html`<li><strong class="${why === 'unexplained' ? 'bad' : ''}">${why}</strong>: ${plural(of.length, 'loss', 'losses')} of ${money(of.reduce((sum, loss) => sum + loss.amount, 0))}; ${WHY[why]}.</li>`)}</ul>`
}

export function lossesSection(results: Results): Html {
  const honest = results.losses.filter((loss) => loss.honest)
  const others = results.losses.filter((loss) => !loss.honest)
  return html`<section id="losses"><h2>Losses</h2>
${
  honest.length === 0
    ? html`<p class="fine">No honest node lost anything beyond its payments and its chain fees.</p>`
    : html`<p class="${honest.some((loss) => loss.why === 'unexplained') ? 'notice bad' : 'notice'}">Honest nodes lost ${money(honest.reduce((sum, loss) => sum + loss.amount, 0))} beyond payments and chain fees, in ${plural(honest.length, 'case')}:</p>
${reasonsList(honest)}${table(honest)}`
}
${others.length === 0 ? '' : html`<details><summary>Losses of adversaries (${count(others.length)})</summary>${reasonsList(others)}${table(others)}</details>`}
</section>`
}

interface Kind {
  readonly kind: string
  readonly tried: number
  readonly succeeded: number
  readonly profit: number
  readonly best: number
}

function byKind(attacks: readonly Attack[]): Kind[] {
  return [...new Set(attacks.map((attack) => attack.kind))].sort().map((kind) => {
    const of = attacks.filter((attack) => attack.kind === kind)
    return {
      kind,
      tried: of.length,
      succeeded: of.filter((attack) => attack.succeeded).length,
      profit: of.reduce((sum, attack) => sum + attack.profit, 0),
      best: of.reduce((most, attack) => Math.max(most, attack.profit), -Infinity)
    }
  })
}

function attackRows(attacks: readonly Attack[]): Html {
  const shown = [...attacks]
    .sort((a, b) => inOrder(b.profit - a.profit, a.height - b.height, a.channel - b.channel))
    .slice(0, MOST_ROWS)
  return html`<details><summary>Each attack, the most profitable first (${count(attacks.length)})</summary>
<div class="scroll" tabindex="0" role="region" aria-label="attacks"><table class="grid"><thead><tr>
<th scope="col">node</th><th scope="col">kind</th><th scope="col" class="number">channel</th><th scope="col" class="number">height</th><th scope="col" class="number">profit</th><th scope="col">outcome</th>
</tr></thead><tbody>${shown.map(
    (attack) => html`
<tr><th scope="row">${attack.node}</th><td>${attack.kind}</td><td class="number">${attack.channel}</td><td class="number">${count(attack.height)}</td><td class="number ${attack.profit > 0 ? 'bad' : ''}">${sat(attack.profit)}</td><td>${attack.succeeded ? 'succeeded' : 'failed'}</td></tr>`
  )}
</tbody></table></div>
${shown.length < attacks.length ? html`<p class="note">These are the first ${count(shown.length)} of ${count(attacks.length)}; all are in results.json.</p>` : ''}</details>`
}

export function attacksSection(results: Results): Html {
  const { attacks } = results
  if (attacks.length === 0) {
    return html`<section id="attacks"><h2>Attacks</h2><p>Nobody attacked in this scenario.</p></section>`
  }
  return html`<section id="attacks"><h2>Attacks</h2>
<p>Profit is what the attacker got beyond its newest share, less what it paid for it. It is negative when the attack did not pay.</p>
<div class="scroll" tabindex="0" role="region" aria-label="attacks by kind"><table class="grid"><thead><tr>
<th scope="col">kind</th><th scope="col" class="number">tried</th><th scope="col" class="number">succeeded</th><th scope="col" class="number">profit in all</th><th scope="col" class="number">best single one</th>
</tr></thead><tbody>${byKind(attacks).map(
    ({ kind, tried, succeeded, profit, best }) => html`
<tr><th scope="row">${kind}</th><td class="number">${count(tried)}</td><td class="number">${count(succeeded)} (${percent(succeeded / tried)})</td><td class="number ${profit > 0 ? 'bad' : ''}">${sat(profit)}</td><td class="number ${best > 0 ? 'bad' : ''}">${sat(best)}</td></tr>`
  )}
</tbody></table></div>
${attackRows(attacks)}
</section>`
}
