/**
 * A chain of one's own: regtest and its Electrum server, in this process.
 *
 * @module paychan/devnet
 */
export * from './backend.js'
export { startDevnet, type Devnet, type DevnetOptions } from './devnet.js'
export { startElectrumServer, type ElectrumServer, type ServerTls } from './electrum/session.js'
export { EmbeddedChain, type EmbeddedChainOptions } from './embedded-chain.js'
export { congestedMonth, formatTrace, parseTrace, type Trace, type TracePoint } from './trace.js'
export { scriptHashOf } from './transaction.js'
export type { FeeRate } from '../types/units.js'
