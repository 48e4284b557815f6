/** Which channel is meant by an id, or by its first digits. */
import { PaychanError } from '../types/errors.js'
import type { ChannelId } from '../types/bytes.js'

/** A PeerId is never shorter than this and never hex; a channel id is hex. */
const CHANNEL_PREFIX = /^[0-9a-f]{8,64}$/

/** Whether a text means a channel, and not a peer. */
export function namesChannel(text: string): boolean {
  return CHANNEL_PREFIX.test(text)
}

/**
 * The channel that an id, or at least 8 of its first digits, names.
 *
 * @throws PaychanError `ERR_NO_CHANNEL`, `ERR_AMBIGUOUS_CHANNEL`
 */
export function channelByPrefix<T extends { readonly id: ChannelId }>(
  channels: readonly T[],
  prefix: string
): T {
  if (!namesChannel(prefix)) {
    throw new PaychanError(
      'ERR_NO_CHANNEL',
      `'${prefix}' is not a channel: give at least 8 digits of an id that \`paychan channels\` lists.`,
      { asked: prefix }
    )
  }
  const matches = channels.filter((channel) => channel.id.startsWith(prefix))
  const [first, second] = matches
  if (first === undefined) {
    throw new PaychanError(
      'ERR_NO_CHANNEL',
      `No channel starts with ${prefix}; \`paychan channels\` lists them.`,
      { asked: prefix }
    )
  }
  if (second !== undefined) {
    throw new PaychanError(
      'ERR_AMBIGUOUS_CHANNEL',
      `${matches.length} channels start with ${prefix}; give more digits.`,
      { asked: prefix, matches: matches.length }
    )
  }
  return first
}
