/** What lies where in a data directory, and which release this is. */

/** As in package.json; a test compares them. */
export const VERSION = '0.1.0'

/** The words, readable by their owner only. */
export const SEED_FILE = 'seed'

/** Channels, payments, wallet. */
export const STORE_DIRECTORY = 'db'

/** So many unused addresses in a row end the search of a restored wallet. */
export const DEFAULT_RESTORE_GAP = 100
