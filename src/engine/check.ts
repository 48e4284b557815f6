/**
 * Reads every record of the engine and says what is damaged, for `paychan check`. Writes nothing,
 * and migrates nothing.
 */
import { auditChannel, type AuditEnv, type Finding } from '../channel/audit.js'
import { totalOf } from '../channel/ledger.js'
import type { Channel } from '../channel/state.js'
import { partyOf } from '../channel/terms.js'
import type { ChannelId } from '../types/bytes.js'
import { codeOf, messageOf, STORE_FAILED } from '../types/errors.js'
import { refundedToServer } from '../channel/stakes.js'
import { formatAmount, satoshi, subSat } from '../types/units.js'
import { GIVEN_UP_PREFIX, readGivenUp } from './registry.js'
import {
  isKeyOf,
  NAME_PREFIX,
  PAID_PREFIX,
  PAYMENT_PREFIX,
  paymentKey,
  readEntry,
  readName,
  readPaid,
  sequenceOf
} from './payments.js'
import type { Signer, Store } from './ports.js'
import { readReceived, readRequestRecord, REQUEST_PREFIX, REQUESTED_PREFIX } from './requests.js'
import { CHANNEL_PREFIX, LEDGER_PREFIX, readChannel, readTerms } from './stored-channel.js'

export type { Finding } from '../channel/audit.js'

export interface ChannelCheck {
  readonly id: ChannelId
  /** True when no record is damaged. */
  readonly ok: boolean
  readonly findings: readonly Finding[]
  /** Tells what the damage means for the money, and what to do next; undefined when `ok`. */
  readonly advice: string | undefined
}

interface EngineCheck {
  readonly channels: readonly ChannelCheck[]
  readonly payments: readonly Finding[]
  readonly givenUp: readonly Finding[]
}

interface CheckEnv extends Pick<AuditEnv, 'verify'> {
  /** Undefined without the seed: then the check that the keys derive from it is skipped. */
  readonly publicKey: Signer['publicKey'] | undefined
  /** Called for every record. */
  readonly onRecord: () => void
}

const NEXT =
  'Keep this directory as it is. Restore the newest backup that `paychan check` finds whole, and start the node: the peer brings back the newest state, and the channel closes.'

/** @throws PaychanError `ERR_STORE_FAILED` when the disk cannot be read */
export async function checkEngine(store: Store, env: CheckEnv): Promise<EngineCheck> {
  const channels = new Map<ChannelId, ChannelCheck>()
  for await (const [key, value] of store.entries(CHANNEL_PREFIX)) {
    env.onRecord()
    const id = key.slice(CHANNEL_PREFIX.length) as ChannelId
    channels.set(id, await checkChannel(store, id, value, env))
  }
  for await (const [key] of store.entries(LEDGER_PREFIX)) {
    env.onRecord()
    const id = key.slice(LEDGER_PREFIX.length) as ChannelId
    if (!channels.has(id)) {
      channels.set(
        id,
        checked(
          id,
          [broken(`There is ${key}, and the channel's record ${CHANNEL_PREFIX}${id} is gone.`)],
          undefined
        )
      )
    }
  }
  return {
    channels: [...channels.values()],
    payments: [
      ...(await orphanedLog(store, channels)),
      ...(await checkPaid(store, channels, env)),
      ...(await checkRequests(store, env))
    ],
    givenUp: await checkGivenUp(store, env)
  }
}

async function checkChannel(
  store: Store,
  id: ChannelId,
  value: Uint8Array,
  env: CheckEnv
): Promise<ChannelCheck> {
  const key = CHANNEL_PREFIX + id
  const read = await unlessDamaged(async () => await readChannel(store, key, value))
  const log = await readLog(store, id, read.value, env)
  const findings = [...log.findings]
  if (read.value === undefined) findings.push(broken(read.damage))
  else {
    const channel = read.value
    const audit = await unlessDamaged(() =>
      auditChannel(channel, {
        verify: env.verify,
        publicKey: env.publicKey ?? publicKeyOf(channel),
        logged: log.logged
      })
    )
    findings.push(...(audit.value ?? [broken(`Its record cannot be understood: ${audit.damage}`)]))
  }
  const terms = read.value ?? (await unlessDamaged(() => readTerms(key, value))).value
  return checked(id, findings, terms)
}

function checked(
  id: ChannelId,
  findings: readonly Finding[],
  channel: Channel | undefined
): ChannelCheck {
  const ok = !findings.some(({ severity }) => severity === 'broken')
  return { id, ok, findings, advice: ok ? undefined : `${stakeOf(channel)} ${NEXT}` }
}

/** Says what a damaged channel means for the money. */
function stakeOf(channel: Channel | undefined): string {
  if (channel === undefined) {
    return 'It is not known any more what is at stake. While it is damaged, this node neither closes nor publishes it.'
  }
  if (channel.stage === 'abandoned' || channel.stage === 'offered') return 'No money is in it.'
  const { capacity, refundHeight } = channel.terms
  const brought = refundedToServer(channel.terms)
  if (channel.stage === 'established' && channel.onChain.spend !== undefined) {
    return `It has ended on the chain, with ${channel.onChain.spend.txid}.`
  }
  return channel.role === 'client'
    ? `What you have not paid of ${formatAmount(capacity)} comes back when the peer closes or settles, or by the refund T2 from block ${refundHeight} on; ${channel.stage === 'established' ? 'which this node publishes by itself as long as the record channel/ can be read.' : 'while it is damaged this node does not publish T2.'}`
    : `What you were paid, up to ${formatAmount(subSat(capacity, brought))}, is lost unless T3 is in a block before the client's refund of block ${refundHeight}; while it is damaged this node cannot publish T3. Do not wait.${brought === 0n ? '' : ` The refund pays you the ${formatAmount(brought)} that you brought along from the channel before.`}`
}

/** Uses the keys that the record names, for lack of the seed. */
function publicKeyOf(channel: Channel): Signer['publicKey'] {
  return ({ role, use }) => {
    if (!('terms' in channel)) return new Uint8Array(33)
    const ours = partyOf(channel.terms, role)
    return use === 'channel' ? ours.channelKey : ours.payoutKey
  }
}

async function readLog(
  store: Store,
  id: ChannelId,
  channel: Channel | undefined,
  env: CheckEnv
): Promise<{ logged: AuditEnv['logged']; findings: Finding[] }> {
  const upTo = channel?.stage === 'established' ? (channel.ledger.held?.sequence ?? -1) : -1
  const findings: Finding[] = []
  let count = 0
  let amount = 0n
  for await (const [key, value] of store.entries(`${PAYMENT_PREFIX}${id}/`)) {
    env.onRecord()
    const { value: entry, damage } = await unlessDamaged(() => readEntry(key, value))
    if (entry === undefined || key !== paymentKey(id, entry.sequence)) {
      findings.push(
        incomplete(
          `The payments of update ${sequenceOf(key)} are not known any more. ${damage}`.trim()
        )
      )
    } else if (entry.sequence <= upTo) {
      count += entry.payments.length
      amount += totalOf(entry.payments)
    }
  }
  return { logged: { count, amount: satoshi(amount) }, findings }
}

async function orphanedLog(
  store: Store,
  channels: ReadonlyMap<ChannelId, ChannelCheck>
): Promise<Finding[]> {
  const lost = new Map<string, number>()
  for await (const [key] of store.entries(PAYMENT_PREFIX)) {
    const id = key.slice(PAYMENT_PREFIX.length, key.lastIndexOf('/'))
    if (!channels.has(id as ChannelId)) lost.set(id, (lost.get(id) ?? 0) + 1)
  }
  // Payments are made on established channels only, and their records are never removed.
  return [...lost].map(([id, count]) =>
    broken(
      `The payment log has ${count} updates of channel ${id}, whose records are gone. ${stakeOf(undefined)} ${NEXT}`
    )
  )
}

/** Checks named payments: the record that keeps each from being made twice, beside the log. */
async function checkRequests(store: Store, { onRecord }: CheckEnv): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const [prefix, read] of [
    [REQUEST_PREFIX, readRequestRecord],
    [REQUESTED_PREFIX, readReceived]
  ] as const) {
    for await (const [key, value] of store.entries(prefix)) {
      onRecord()
      const { damage } = await unlessDamaged(() => read(key, value))
      if (damage !== '') {
        findings.push(
          broken(
            `${damage} A request is not counted as paid for it, and gives no receipt; no money is lost: compare \`paychan payments\`.`
          )
        )
      }
    }
  }
  return findings
}

async function checkPaid(
  store: Store,
  channels: ReadonlyMap<ChannelId, ChannelCheck>,
  env: CheckEnv
): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const [key, value] of store.entries(PAID_PREFIX)) {
    env.onRecord()
    const { value: paid, damage } = await unlessDamaged(() => readPaid(key, value))
    if (paid === undefined) {
      findings.push(
        broken(
          `${damage} A payment with that id is refused until then: look in \`paychan payments\` whether it was made before you make it under another id.`
        )
      )
      continue
    }
    const direction = await directionOf(store, key, paid)
    if (!channels.has(paid.channel)) {
      findings.push(
        broken(`The payment ${key} was made on channel ${paid.channel}, which is gone.`)
      )
    } else if (direction === 'received') {
      // UPD-21: written by a release in which a peer could take the place of a payment.
      findings.push(
        broken(
          `The payment ${key} names update ${paid.sequence} of channel ${paid.channel}, by which this node was paid ${formatAmount(paid.amount)}: a peer has put it in the place of a payment to itself. Look in \`paychan payments\` for what was paid before you make that payment again, and make it under another id.`
        )
      )
    } else if (direction === undefined) {
      findings.push(
        incomplete(
          `The payment ${key} of ${formatAmount(paid.amount)} is not in the payment log, at update ${paid.sequence} of channel ${paid.channel}. It will not be made twice.`
        )
      )
    }
  }
  for await (const [key, value] of store.entries(NAME_PREFIX)) {
    env.onRecord()
    const { damage } = await unlessDamaged(() => readName(key, value))
    if (damage !== '') {
      findings.push(
        broken(
          `${damage} A payment with that name is refused until then: look in \`paychan payments\` whether it was made before you make it under another id.`
        )
      )
    }
  }
  return findings
}

async function checkGivenUp(store: Store, env: CheckEnv): Promise<Finding[]> {
  const findings: Finding[] = []
  for await (const [key, value] of store.entries(GIVEN_UP_PREFIX)) {
    env.onRecord()
    const { damage } = await unlessDamaged(() => readGivenUp(key, value))
    if (damage !== '') {
      findings.push(
        incomplete(`${damage} It is of an opening that came to nothing; no channel needs it.`)
      )
    }
  }
  return findings
}

/** The direction of the logged payment that a record names; undefined when it is not logged. */
async function directionOf(
  store: Store,
  key: string,
  { channel, sequence, amount }: ReturnType<typeof readPaid>
): Promise<'sent' | 'received' | undefined> {
  const logKey = paymentKey(channel, sequence)
  const value = await store.get(logKey)
  if (value === undefined) return undefined
  const { value: entry } = await unlessDamaged(() => readEntry(logKey, value))
  const isThere = (entry?.payments ?? []).some(
    (payment) => isKeyOf(key, payment.id) && payment.amount === amount
  )
  return isThere ? entry?.direction : undefined
}

/** Turns damage into a text, also a record of a later release: the check of the rest goes on. */
export async function unlessDamaged<T>(
  read: () => T | Promise<T>
): Promise<
  | { readonly value: T; readonly damage: '' }
  | { readonly value: undefined; readonly damage: string }
> {
  try {
    return { value: await read(), damage: '' }
  } catch (error) {
    if (codeOf(error) === STORE_FAILED) throw error
    return { value: undefined, damage: messageOf(error) }
  }
}

function broken(text: string): Finding {
  return { severity: 'broken', text }
}

function incomplete(text: string): Finding {
  return { severity: 'incomplete', text }
}
