/**
 * The books of a drill: what callers were told, against what payees list, what channels hold and
 * what is on the chain. Pure.
 */

/** What the caller of a payment knows of it. `ids`: of its parts, as each answer named them. */
export interface Told {
  readonly memo: string
  readonly from: string
  readonly to: string
  readonly amount: bigint
  /** `refused`: never signed. `unknown`: made or not, whoever asked cannot tell. */
  readonly outcome: 'acknowledged' | 'refused' | 'unknown'
  readonly ids: readonly string[]
}

/** A payment in the list of a node. */
export interface Listed {
  readonly id: string
  readonly memo: string
  readonly amount: bigint
  readonly direction: 'sent' | 'received'
  readonly with: string
}

/** A channel, as its two sides see it. */
export interface Sides {
  readonly name: string
  readonly capacity: bigint
  readonly one: { readonly ours: bigint; readonly theirs: bigint }
  readonly other: { readonly ours: bigint; readonly theirs: bigint }
}

/**
 * Acknowledged payments that are lost, payments that were made twice or that nobody asked for; one
 * sentence each.
 */
export function checkPayments(
  told: readonly Told[],
  lists: ReadonlyMap<string, readonly Listed[]>
): string[] {
  const findings: string[] = []
  const asked = new Map(told.map((each) => [`${each.to} ${each.memo}`, each]))
  for (const [node, list] of lists) {
    const seen = new Set<string>()
    for (const { id, memo, direction } of list) {
      if (seen.has(`${direction} ${id}`)) {
        findings.push(`${node} lists payment ${id} (${memo}) twice`)
      }
      seen.add(`${direction} ${id}`)
      if (direction === 'received' && !asked.has(`${node} ${memo}`)) {
        findings.push(`${node} lists payment ${id} (${memo}), which nobody has asked for`)
      }
    }
  }
  for (const { memo, from, to, amount, outcome, ids } of told) {
    const received = (lists.get(to) ?? []).filter(
      (each) => each.direction === 'received' && each.memo === memo
    )
    const total = received.reduce((sum, each) => sum + each.amount, 0n)
    const what = `${memo}, ${amount} sat from ${from} to ${to}`
    if (total > amount) {
      findings.push(`DOUBLE: ${what} was made ${received.length} times, ${total} sat`)
    } else if (outcome === 'acknowledged' && total < amount) {
      findings.push(`LOST: ${what} was acknowledged, and the payee lists ${total} sat of it`)
    } else if (outcome === 'refused' && total > 0n) {
      findings.push(`${what} was refused, and the payee lists ${total} sat of it`)
    } else if (total > 0n && total < amount) findings.push(`${what} was made in part, ${total} sat`)
    else if (
      outcome === 'acknowledged' &&
      [...ids].sort().join() !==
        received
          .map(({ id }) => id)
          .sort()
          .join()
    ) {
      findings.push(
        `${what} was acknowledged as ${ids.join(', ')}, and the payee lists ${received.map(({ id }) => id).join(', ')}`
      )
    }
  }
  return findings
}

/**
 * What the lists of two nodes say that one has paid the other, in satoshis; `undefined` unless both
 * say the same.
 */
export function paidBetween(
  sent: readonly Listed[],
  received: readonly Listed[]
): bigint | undefined {
  const key = ({ id, amount }: Listed): string => `${id} ${amount}`
  const [ours, theirs] = [sent.map(key).sort().join(), received.map(key).sort().join()]
  return ours === theirs ? received.reduce((sum, { amount }) => sum + amount, 0n) : undefined
}

/** Both sides of each channel see the same, and nothing of it is missing. */
export function checkChannels(channels: readonly Sides[]): string[] {
  return channels.flatMap(({ name, capacity, one, other }) => {
    const findings: string[] = []
    if (one.ours !== other.theirs || one.theirs !== other.ours) {
      findings.push(
        `${name}: one side sees ${one.ours} and ${one.theirs} sat, the other ${other.theirs} and ${other.ours}`
      )
    }
    if (one.ours + one.theirs !== capacity) {
      findings.push(`${name}: ${one.ours} and ${one.theirs} sat are not its ${capacity}`)
    }
    return findings
  })
}

/**
 * To the satoshi: what the nodes were given is what they have, and the fees that the chain shows.
 */
export function checkConserved(given: bigint, have: bigint, fees: bigint): string[] {
  return given === have + fees
    ? []
    : [
        `the nodes were given ${given} sat, and have ${have} with ${fees} sat of fees: ${given - have - fees} are missing`
      ]
}
