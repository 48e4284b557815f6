/**
 * What another implementation, or our own p2p room, needs of the protocol: types, limits, codec.
 *
 * @module paychan/protocol
 */
export * from './limits.js'
export * from './messages.js'
export { ProtocolError } from './errors.js'
export * from './text.js'
export { decode, encode } from './codec.js'
export { packPayments, unpackPayments } from './update-codec.js'
