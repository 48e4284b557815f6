/**
 * T1 from an outside wallet: checks the PSBT that a person brings, first funded and then signed,
 * and passes it on.
 */
import { awaitsInputs, checkFunded, checkSigned, notExpected } from '../channel/outside-funding.js'
import type { AcceptedClient, Channel, ClientChannel } from '../channel/state.js'
import { fundingScriptOf } from '../channel/terms.js'
import { codeOf, messageOf, PaychanError } from '../types/errors.js'
import type { ChannelActor } from './channel-actor.js'
import { watchStands } from './performing.js'
import { fundingSent, openForPayments, readyForSignatures } from './waiters.js'
import type { EngineContext } from './context.js'

/**
 * Takes the PSBT that a channel waits for: funded and unsigned, and resolves once T2 is on disk;
 * then signed, and resolves as `wait` says. A PSBT that is refused changes nothing: another one may
 * follow.
 *
 * @returns warnings, a sentence each
 * @throws PaychanError those of `checkFunded` and `checkSigned`, `ERR_PSBT_NOT_EXPECTED`,
 *   `ERR_PSBT_SUPERSEDED`, `ERR_CHAIN_UNAVAILABLE`, `ERR_BROADCAST_REFUSED`, and why the channel
 *   was given up
 */
export async function takePsbt(
  actor: ChannelActor,
  bytes: Uint8Array,
  wait: 'broadcast' | 'ready',
  context: EngineContext
): Promise<readonly string[]> {
  await actor.idle()
  // REF-7: T1 leaves only when T2's signature is on disk.
  const state = actor.durable ?? actor.state
  if (awaitsInputs(state)) return await takeFunded(actor, state, bytes, context)
  if (state.stage !== 'established' || state.role !== 'client' || state.outside === undefined) {
    throw whyNot(state)
  }
  return await takeSigned(actor, state, bytes, wait, context)
}

/** Steps 2 to 5. No coin is spent on a script that we could not watch. */
async function takeFunded(
  actor: ChannelActor,
  state: AcceptedClient,
  bytes: Uint8Array,
  { watches, clock, env }: EngineContext
): Promise<readonly string[]> {
  const { warnings, ...funded } = checkFunded(state, bytes, env(state))
  await watchStands(watches.watch(actor, fundingScriptOf(state.terms)), clock)
  const secured = actor.waiters.arrival(readyForSignatures)
  actor.post({ type: 'funding-built', ...funded })
  await secured
  // Two may have been brought at once.
  if (actor.state.stage === 'established' && actor.state.outPoint.txid !== funded.outPoint.txid) {
    throw new PaychanError(
      'ERR_PSBT_SUPERSEDED',
      `The refund was signed for another PSBT, of transaction ${actor.state.outPoint.txid}; sign that one.`,
      { txid: actor.state.outPoint.txid }
    )
  }
  return warnings
}

/**
 * Step 6. Asks a mempool first: the person hears of a final refusal at once, and T1 can be signed
 * again.
 */
async function takeSigned(
  actor: ChannelActor,
  state: ClientChannel,
  bytes: Uint8Array,
  wait: 'broadcast' | 'ready',
  { chain, env }: EngineContext
): Promise<readonly string[]> {
  const warnings: string[] = []
  if (state.onChain.fundingHeight === undefined) {
    if (state.stopped !== undefined) {
      throw PaychanError.of(state.stopped.code, `The opening is over: ${state.stopped.reason}`)
    }
    const signed = checkSigned(state, bytes, env(state))
    await chain.broadcast(signed).catch((error: unknown) => {
      if (
        error instanceof PaychanError &&
        codeOf(error) === 'ERR_BROADCAST_REFUSED' &&
        !isForNow(error)
      ) {
        throw error
      }
      warnings.push(`It was not taken yet, and is sent again with every block: ${messageOf(error)}`)
    })
    actor.post({ type: 'funding-signed', raw: signed.raw })
  }
  const arrived = actor.waiters.arrival(wait === 'ready' ? openForPayments : fundingSent)
  actor.waiters.observe(actor.state)
  await arrived
  return warnings
}

/** True for a refusal that time may lift: blocks come, and fees fall. */
function isForNow({ facts: { kind } }: PaychanError): boolean {
  return kind === 'fee-too-low' || kind === 'non-final'
}

function whyNot(state: Channel): PaychanError {
  if (state.stage === 'abandoned') return PaychanError.of(state.code, state.reason, state.facts)
  return notExpected()
}
