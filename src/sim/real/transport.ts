/**
 * What carries the messages of real nodes, which are all in one process. Loaded by the command
 * line: it imports nothing.
 */
export const TRANSPORTS = ['tcp', 'memory'] as const

export type TransportName = (typeof TRANSPORTS)[number]

/** A run is to show what nodes do, and they are connected by TCP everywhere else. */
export const DEFAULT_TRANSPORT: TransportName = 'tcp'
