/**
 * This node's conditions for a channel: as server of its clients, and as client of its servers. One
 * table gives the unit, bounds, default and meaning of each setting; the type, the readers of
 * configurations and scenarios, the local API and `docs/configuration.md` follow from it.
 */
import type { Network } from '../../protocols/paychan/1.0/index.js'
import { blockDelta, satoshi, type BlockDelta, type Satoshi } from '../types/units.js'
import { PAYMENT_MARGIN } from './schedule.js'

/** The unit of a setting. */
type PolicyUnit = 'sat' | 'blocks' | 'confirmations' | 'percent' | 'count'

interface Described<Value> {
  readonly byDefault: (network: Network) => Value
  /** The value used when nothing is configured and there is no fixed default. */
  readonly otherwise?: string
  readonly meaning: string
}

/** Bounded by all bitcoin. */
interface AmountSetting<Value = unknown> extends Described<Value> {
  readonly unit: 'sat'
}

interface CountSetting<
  Value = unknown,
  Unit extends Exclude<PolicyUnit, 'sat'> = Exclude<PolicyUnit, 'sat'>
> extends Described<Value> {
  readonly unit: Unit
  /** Bounds of the configured value, both included. */
  readonly least: number
  readonly most: number
}

export type PolicySetting = AmountSetting | CountSetting

/** A year of blocks: 52,560 at one in ten minutes. Nobody locks coins for longer by accident. */
const YEAR = 52_560

const isRegtest = (network: Network): boolean => network === 'regtest'

function amount(value: bigint, meaning: string): AmountSetting<Satoshi> {
  return { unit: 'sat', byDefault: () => satoshi(value), meaning }
}

/** An amount that is computed when it is needed, unless it is configured. */
function reckoned(otherwise: string, meaning: string): AmountSetting<Satoshi | undefined> {
  return { unit: 'sat', byDefault: () => undefined, otherwise, meaning }
}

function blocks(
  value: number | ((network: Network) => number),
  meaning: string,
  least = 1
): CountSetting<BlockDelta, 'blocks'> {
  return {
    unit: 'blocks',
    least,
    most: YEAR,
    byDefault: (network) => blockDelta(typeof value === 'number' ? value : value(network)),
    meaning
  }
}

/** At least 1: with 0, a payment would be taken on a transaction that can still be replaced. */
function confirmations(
  value: (network: Network) => number,
  meaning: string
): CountSetting<number, 'confirmations'> {
  return { unit: 'confirmations', least: 1, most: 100, byDefault: value, meaning }
}

function percent(value: number, meaning: string): CountSetting<number, 'percent'> {
  return { unit: 'percent', least: 1, most: 100, byDefault: () => value, meaning }
}

function count(value: number, most: number, meaning: string): CountSetting<number, 'count'> {
  return { unit: 'count', least: 1, most, byDefault: () => value, meaning }
}

/**
 * 36 is twice the 18 blocks that LDK takes as the upper bound of a confirmation
 * (`CLTV_CLAIM_BUFFER`).
 */
const SETTLE_MARGIN = 36
const minDepth = (network: Network): number => (isRegtest(network) ? 1 : 3)

/** The settings, with their defaults. */
export const POLICY = {
  minCapacity: amount(10_000n, 'the smallest channel that a server takes'),
  maxCapacity: amount(1_300_000n, 'the largest one'),
  minFirstPayment: reckoned(
    'what a T3 costs at the present estimate, and an output above dust',
    'the least that the first payment of a channel pays (UPD-10)'
  ),
  // Below the 1.4 M sat that a T3 can bid at most through servers that keep Bitcoin Core's
  // 0.1 BTC/kvB limit of `sendrawtransaction`: 138 vB x 10,000 sat/vB = 1,380,000 sat.
  maxStake: amount(
    1_300_000n,
    'the most that the receiver of payments may lose if an older state is mined (UPD-11)'
  ),
  // A small share always has a high risk, and little to lose: a limit would refuse every first
  // payment.
  maxRisk: percent(
    100,
    'the highest chance of losing the stake at which payments are taken (UPD-19); 100 sets no limit'
  ),
  // Above the 50 % that are assumed before anything has been seen (risk.ts).
  riskAlarm: percent(60, 'the chance of losing the stake from which on an event tells of it'),
  minDepth: confirmations(minDepth, 'confirmations of the funding that this node asks for'),
  maxMinDepth: confirmations(() => 12, 'the most that it waits for as client'),
  // 36 as in SETTLE_MARGIN; a day of blocks is what a congested mempool may need.
  minStep: blocks(
    (network) => (isRegtest(network) ? 1 : SETTLE_MARGIN),
    'the least number of blocks between the locks of two turns that a server takes'
  ),
  defaultStep: blocks(144, 'the number that `open --two-way` asks for when nothing is said'),
  minTurnAmount: reckoned(
    'as minFirstPayment',
    'the least that the payee of a two-way channel must hold before the turn passes to it (TURN-1)'
  ),
  settleMargin: blocks(SETTLE_MARGIN, 'blocks before L at which a server publishes T3'),
  // Six blocks remain between `minDepth` and the last payment.
  minBlocks: blocks(
    (network) => SETTLE_MARGIN + PAYMENT_MARGIN + minDepth(network) + 6,
    'L minus the height of the tip: the least that a server takes'
  ),
  maxBlocks: blocks(8_064, 'the most that it takes: eight weeks'),
  defaultBlocks: blocks(1_008, 'what `open` asks for when nothing is said: a week'),
  // The time that a renewal for `defaultBlocks` takes, and no more: this money was about to be
  // free.
  maxRenewalWait: blocks(
    1_008,
    'blocks from now for which a renewal of a two-way channel may lock up what a server has in it, unless it is locked for longer anyhow (RENEW-9)',
    0
  ),
  maxPendingOpenings: count(4, 1_000, 'openings that one peer may have under way (OPEN-7)'),
  maxUnfunded: count(
    16,
    1_000,
    'channels of one peer whose funding is in no block (OPEN-7): it costs nothing to promise one'
  ),
  maxPendingInAll: count(
    64,
    10_000,
    'openings under way with all peers together (OPEN-11): a PeerId costs nothing; a quarter is for peers with a funded channel'
  ),
  maxUnfundedInAll: count(
    64,
    10_000,
    'channels of all peers together whose funding is in no block; then the oldest that may go makes room; a quarter is for peers with a funded channel; as many more may be handed back (RESTORE-7)'
  ),
  // WIRE-9: at most the number of streams that one peer may have.
  maxChannelsPerPeer: count(64, 64, 'channels of one peer that are not closed'),
  maxInFlightUpdates: count(16, 1_000, 'payments that may wait for an acknowledgement'),
  maxInFlightValue: amount(1_300_000n, 'what these may pay together')
} as const satisfies Record<string, PolicySetting>

type Table = typeof POLICY

/** The name of a setting, as in `config.json` behind `policy.`. */
export type PolicyKey = keyof Table

/**
 * What a node asks of channels and of fees, by the keys of `docs/configuration.md`; amounts are in
 * satoshis, times in blocks.
 */
export type Policy = { readonly [Key in PolicyKey]: ReturnType<Table[Key]['byDefault']> }

/** Settings that somebody chose; the others have their defaults. */
export type PartialPolicy = { -readonly [Key in PolicyKey]?: Exclude<Policy[Key], undefined> }

export const POLICY_KEYS = Object.keys(POLICY) as PolicyKey[]

/** Makes something of each setting, by key: a reader, a schema. */
export function ofEachSetting<T>(make: (setting: PolicySetting) => T): Record<PolicyKey, T> {
  return Object.fromEntries(POLICY_KEYS.map((key) => [key, make(POLICY[key])])) as Record<
    PolicyKey,
    T
  >
}

/** The policy of a node without configuration. */
export function defaultPolicy(network: Network): Policy {
  return Object.fromEntries(
    POLICY_KEYS.map((key) => [key, POLICY[key].byDefault(network)])
  ) as unknown as Policy
}
