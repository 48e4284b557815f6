/** Amounts as people write and read them, for whoever talks to the daemon. */
export { parseAmount } from '../types/amount.js'
export { formatAmount } from '../types/units.js'
