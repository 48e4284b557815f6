/** What happens to a channel, in the words of those who use it: the protocol's own (T1, K2, step 5) are for `--verbose`. */
import type { ChannelInfo, NodeEvent } from '../node/api.js'

export type ChannelEvent = Extract<NodeEvent, { type: 'channel' }>
type Words = Partial<Record<NonNullable<ChannelEvent['step']>, string>>

/** The first step is told twice: when the client has asked, and when the server has answered. */
const CLIENT: Words = { 2: 'funding prepared', 3: 'asking the peer to sign the refund', 5: 'refund secured', 6: 'funding sent', 7: 'first balances signed', 8: 'the peer is ready' }
const SERVER: Words = { 1: 'a peer opens the channel', 4: 'refund signed for the peer', 6: 'funding received', 8: 'first balances stored' }

/** Transactions by what they are for; keys have no name. */
const NAMES: ReadonlyArray<readonly [protocol: RegExp, word: string]> = [[/\bT1\b/g, 'the funding'], [/\b(?:the refund )?T2\b/g, 'the refund'], [/\b(?:the settlement |the initial )?T3\b/g, 'the settlement'], [/ \bK[12]\b/g, '']]

/** Whether the client waits for the server's answer to its offer. */
export function isAsking ({ step, what }: ChannelEvent): boolean {
  return step === 1 && what.startsWith('asked')
}

export function plainWords (event: ChannelEvent): string {
  const { step, what, channel } = event
  if (step === 1 && channel.role === 'client') return isAsking(event) ? 'asking the peer for the channel' : 'the peer accepts the channel'
  const known = step === undefined ? undefined : (channel.role === 'client' ? CLIENT : SERVER)[step]
  return known ?? withoutProtocol(what)
}

/** The names of the protocol put into words. */
export function withoutProtocol (text: string): string {
  return NAMES.reduce((told, [protocol, word]) => told.replace(protocol, word), text)
}

/** How many blocks a channel still waits for; undefined before the peer has said how deep its funding has to be. */
export function blocksLeft ({ confirmations, minDepth }: ChannelInfo): number | undefined {
  return minDepth === undefined ? undefined : Math.max(0, minDepth - confirmations)
}

/** `1 block`, `2 blocks`. */
export function blocksText (count: number): string {
  return `${count} ${count === 1 ? 'block' : 'blocks'}`
}
