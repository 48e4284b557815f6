/**
 * Both nodes are killed during payments, repeatedly, while callers pay with an id and ask again
 * when the outcome is unknown.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { PayResult } from '../node/api.js'
import { codeOf, PaychanError } from '../types/errors.js'
import { confirm, PAYMENT, type Act } from './acts.js'
import type { NodeProcess, Stage } from './stage.js'
import { sat, type Narrator, type Report } from './report.js'

const CALLERS = 16
const PAYMENTS = 280
/** The nodes to kill, one kill after every 40 payments. */
const DEATHS = ['payer', 'payee', 'both', 'payer', 'payee', 'both'] as const
const PAYMENTS_BETWEEN = 40

/** Milliseconds between two tries of a caller. */
const PAUSE_MS = 200
/** A node is back within seconds: an outcome that is unknown after so many tries stays unknown. */
const MOST_TRIES = 300

/** Errors that callers get while a node is dead or restarting. Any other error ends the demo. */
const PASSING = new Set([
  'ERR_API_FAILED',
  'ERR_NODE_NOT_RUNNING',
  'ERR_NODE_STOPPED',
  'ERR_PEER_UNREACHABLE',
  'ERR_PAYMENT_UNKNOWN',
  'ERR_CHAIN_UNAVAILABLE',
  'ERR_CHANNEL_NOT_OPEN'
])

type Kill = NonNullable<Report['kills']>[number]

/** 280 payments, six times SIGKILL, a cooperative close. */
export const killedAndBack: Act = async (stage, channel, narrator) => {
  const { client, server } = stage
  const paid = new Map<string, PayResult>()
  const kills: Array<{ -readonly [Key in keyof Kill]: Kill[Key] }> = []
  let lost = 0
  let begun = 0
  let recovery: Promise<void> | undefined

  /**
   * Strikes in the very turn in which a payment was acknowledged, while the others are under way.
   */
  function strikeIfDue(): void {
    const death = DEATHS[kills.length]
    if (
      recovery !== undefined ||
      death === undefined ||
      paid.size < (kills.length + 1) * PAYMENTS_BETWEEN
    ) {
      return
    }
    const victims = { payer: [client], payee: [server], both: [client, server] }[death]
    kills.push({
      killed: death,
      height: stage.devnet.height,
      acknowledged: paid.size,
      askedAgain: 0
    })
    recovery = killAndRestart(victims, death, [...paid.values()]).finally(() => {
      recovery = undefined
    })
  }

  async function killAndRestart(
    victims: readonly NodeProcess[],
    death: string,
    acknowledged: readonly PayResult[]
  ): Promise<void> {
    await Promise.all(
      victims.map(async (node) => {
        await node.kill()
      })
    )
    narrator.say(
      `SIGKILL: ${death} (${acknowledged.length} payments are acknowledged, ${CALLERS} callers wait)`
    )
    await Promise.all(
      victims.map(async (node) => {
        await node.start()
      })
    )
    lost += (await missing(server, acknowledged)).length
  }

  async function caller(): Promise<void> {
    while (begun < PAYMENTS) {
      begun += 1
      const id = `payment ${begun}`
      paid.set(
        id,
        await payUntilKnown(client, channel.id, id, () => {
          for (const kill of kills.slice(-1)) kill.askedAgain += 1
        })
      )
      narrator.progress(`${paid.size} of ${PAYMENTS} payments acknowledged`)
      strikeIfDue()
    }
  }

  await Promise.all(Array.from({ length: CALLERS }, caller))
  await recovery
  stage.record(
    9,
    'client',
    `paid ${PAYMENTS} times ${sat(PAYMENT)} through ${kills.length} times SIGKILL; ${kills.reduce((sum, { askedAgain }) => sum + askedAgain, 0)} times a caller had to ask again`
  )
  const ok =
    lost === 0 && kills.length === DEATHS.length && (await sameBooks(stage, narrator, paid))
  const { txid } = await client.api.channels.close(channel.id)
  if (txid === undefined) throw new PaychanError('ERR_DEMO_FAILED', 'The close has no transaction.')
  await confirm(stage, channel, 'close', [client, server])
  return { payments: PAYMENTS, kind: 'close', txid, ok, kills }
}

/** Uses the same id each time: however often it asks, it pays once. */
async function payUntilKnown(
  client: NodeProcess,
  to: string,
  id: string,
  again: () => void
): Promise<PayResult> {
  for (let tries = 1; ; tries++) {
    try {
      return await client.api.pay({ to, amount: PAYMENT, id })
    } catch (error) {
      if (!PASSING.has(codeOf(error)) || tries === MOST_TRIES) throw error
      again()
      await pause(PAUSE_MS)
    }
  }
}

/** Acknowledged payments that the payee has no record of. */
async function missing(
  payee: NodeProcess,
  acknowledged: readonly PayResult[]
): Promise<PayResult[]> {
  const known = new Set((await payee.api.payments.list()).map(({ id }) => id))
  return acknowledged.filter(({ id }) => !known.has(id))
}

/** True when payer, payee and callers have the same payments, each once. */
async function sameBooks(
  { client, server }: Stage,
  narrator: Narrator,
  paid: ReadonlyMap<string, PayResult>
): Promise<boolean> {
  const [sent, received] = [await client.api.payments.list(), await server.api.payments.list()]
  const wanted = [...paid.values()]
    .map(({ id }) => id)
    .sort()
    .join()
  const same =
    new Set(wanted.split(',')).size === PAYMENTS &&
    [sent, received].every(
      (log) =>
        log
          .map(({ id }) => id)
          .sort()
          .join() === wanted
    ) &&
    sent.every(({ status, amount }) => status === 'acknowledged' && amount === PAYMENT)
  narrator.say(
    same
      ? `the callers, the payer and the payee have the same ${PAYMENTS} payments in their books, each once`
      : `the books differ: ${paid.size} with the callers, ${sent.length} with the payer, ${received.length} with the payee`
  )
  return same
}
