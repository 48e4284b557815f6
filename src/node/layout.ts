/** The layout of a data directory, and the version of this release. */

/** As in package.json; a test compares them. */
export const VERSION = '0.1.0'

/** The words, readable by their owner only. */
export const SEED_FILE = 'seed'

/** The settings of the daemon, if there are any. */
export const CONFIG_FILE = 'config.json'

/** Channels, payments, wallet. */
export const STORE_DIRECTORY = 'db'
