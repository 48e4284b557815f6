/**
 * The transports for messages of real nodes in one process. Loaded by the command line: it imports
 * nothing.
 */
export const TRANSPORTS = ['tcp', 'memory'] as const

export type TransportName = (typeof TRANSPORTS)[number]

/** A run is to show the nodes' behaviour, and they use TCP everywhere else. */
export const DEFAULT_TRANSPORT: TransportName = 'tcp'
