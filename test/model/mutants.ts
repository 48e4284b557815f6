/**
 * Faults put back: what replaces one line of the compiled code, so that nothing of it has to know.
 */
export interface Replacement {
  /** The end of the module's address. */
  readonly module: string
  /** Stands in it exactly once. */
  readonly text: string
  readonly by: string
}

export interface Mutant {
  readonly name: string
  readonly story: string
  /** What the checker calls it. */
  readonly rule: 'money' | 'payment' | 'exit'
  readonly about: string
  readonly replacements: readonly Replacement[]
}

const EVIDENCE = '/src/channel/evidence.js'
const BIDDING = '/src/channel/bidding.js'
const ONCHAIN = '/src/channel/onchain.js'

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'state-by-outputs',
    story: 'one-way-server',
    rule: 'payment',
    about:
      'an output that the payee has chosen undoes what was in flight, though it gives less (EVID-2)',
    replacements: [
      {
        module: ONCHAIN,
        text: '>= balances(channel.terms, channel.ledger)[payerOf(state)]',
        by: '> 0n'
      }
    ]
  },
  {
    name: 'premature-rival',
    story: 'one-way-client',
    rule: 'money',
    about:
      'a spend whose lock lies in the future, shown by one server, is outbid whatever that takes (EVID-3, EVID-4)',
    replacements: [
      { module: EVIDENCE, text: '&& lock <= height', by: '' },
      { module: EVIDENCE, text: 'shownBy >= 2)', by: 'true)' },
      {
        module: BIDDING,
        text: 'min(outbidding(race, vsize, env), max(satoshi(base * 2n), feeFor(HURRY_RATE, vsize)))',
        by: 'outbidding(race, vsize, env)'
      }
    ]
  },
  {
    name: 'window-given-up',
    story: 'two-way-client',
    rule: 'exit',
    about: 'a newer state in a mempool is waited for through all of our window (TIME-7)',
    replacements: [
      { module: EVIDENCE, text: '(deadline - height) * 3 > deadline - begin', by: 'true' }
    ]
  },
  {
    name: 'close-outbid',
    story: 'dear-client',
    rule: 'money',
    about:
      'a close with a fee of nearly all that its asker has is outbid in the last block (EVID-10)',
    replacements: [{ module: EVIDENCE, text: 'closes.length === 0', by: 'true' }]
  },
  {
    name: 'own-close-outbid',
    story: 'dear-client',
    rule: 'money',
    about: 'such a close is outbid by the side that has just sent it, before it is shown (EVID-10)',
    replacements: [{ module: EVIDENCE, text: '...seen, ...sent', by: '...seen' }]
  },
  {
    name: 'close-passed-over',
    story: 'dear-forgotten',
    rule: 'exit',
    about: 'a close that one server shows and no block takes stops a bid for ever (EVID-10)',
    replacements: [{ module: EVIDENCE, text: 'hurried * 2n ** passed', by: 'hurried' }]
  },
  {
    name: 'newer-state-waits',
    story: 'handed-late',
    rule: 'money',
    about:
      'a newer state takes the place of an older one of ours with the next block only (TIME-11)',
    replacements: [
      {
        module: '/src/channel/publishing.js',
        text: 'ours && bidAnew(channel, before, ours, env)',
        by: 'undefined'
      }
    ]
  },
  {
    name: 'nothing-fetched',
    story: 'renewal-client',
    rule: 'exit',
    about:
      'a server bids for what a race decides and for nothing else, and what it brought along stays locked up when its client is gone (STAKE-3)',
    replacements: [
      {
        module: BIDDING,
        text: 'height < from || isEarly(channel, height) ? 0n',
        by: 'deadline !== undefined || height < from || isEarly(channel, height) ? 0n'
      }
    ]
  }
]

export function mutantOf(name: string): Mutant {
  const mutant = MUTANTS.find((mutant) => mutant.name === name)
  if (mutant === undefined) throw new Error(`there is no mutant '${name}'`)
  return mutant
}
