/** Channels as they come from the disk. */
import type { Channel } from '../channel/state.js'
import { corruptRecord, decodeRecord } from './records.js'

/** The records of channels: `channel/<id>`. */
export const CHANNEL_PREFIX = 'channel/'

const STAGES: ReadonlySet<unknown> = new Set<Channel['stage']>(['offered', 'accepted', 'refund-requested', 'refund-signed', 'established', 'abandoned'])

/**
 * Reads a channel's record. Looks no deeper than at what tells a channel from anything else: the
 * disk is ours, and what is inside was written by this code.
 *
 * @throws PaychanError `ERR_STORE_CORRUPT`, `ERR_STORE_VERSION`
 */
export function readChannel (key: string, value: Uint8Array): Channel {
  const stored = decodeRecord<Channel>(key, value)
  if (!isChannel(stored) || key !== `${CHANNEL_PREFIX}${stored.id}`) throw corruptRecord(key)
  return stored
}

function isChannel (value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'stage' in value && STAGES.has(value.stage) && 'keys' in value && 'peer' in value
}
