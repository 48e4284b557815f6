/** The balances of the node, by place. */
import { need } from '../../browser/dom.js'
import { formatAmount } from '../../types/units.js'
import type { Known } from './known.js'
import { drawn, setText } from './parts.js'

/** Shows the sum, its parts as a bar, and each part with its amount. */
export function showBalances({ balance, channels }: Known): void {
  if (balance === undefined) return
  const free = balance.confirmed - balance.reserved - balance.locked
  const parts = [
    ['free', free],
    ['reserved', balance.reserved + balance.locked],
    ['coming', balance.pending + balance.unswept],
    ['in-channels', balance.inChannels]
  ] as const
  setText(need('total', HTMLElement), formatAmount(balance.total))
  for (const [name, amount] of parts) setText(need(name, HTMLElement), formatAmount(amount))
  const isEnded = new Set(['closed', 'abandoned'])
  const live = channels.filter(({ status }) => !isEnded.has(status))
  const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((a, b) => a + b, 0n)
  const atRisk = sum(live.map((channel) => channel.atRisk))
  const stake = sum(live.map((channel) => channel.stake))
  setText(need('at-risk', HTMLElement), formatAmount(atRisk))
  setText(
    need('at-stake', HTMLElement),
    stake === 0n
      ? 'not worth the fee of settling alone'
      : `not worth its fee alone; and ${formatAmount(stake)} at stake`
  )
  setText(
    need('locked', HTMLElement),
    balance.locked === 0n
      ? 'for transactions under way'
      : `${formatAmount(balance.locked)} of it locked by you`
  )
  setText(
    need('unwatched', HTMLElement),
    balance.unwatched === 0n
      ? 'your share of them'
      : `${formatAmount(balance.unwatched)} of it not watched`
  )
  const whole = sum(parts.map(([, amount]) => amount))
  let at = 0
  const bars = parts.map(([name, amount]) => {
    const part = whole === 0n ? 0 : percentOf(amount, whole)
    const bar = drawn('rect', { class: name, x: `${at}%`, width: `${part}%`, height: '100%' })
    at += part
    return bar
  })
  need('shares', HTMLElement).replaceChildren(
    drawn('svg', { class: 'track', 'aria-hidden': 'true' }, ...bars)
  )
}

/** A part of a whole in percent, for drawing: the ratio of two exact amounts. */
export function percentOf(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : Number((part * 10_000n) / whole) / 100
}
