/** libp2p as the port `Peers`. The polyfill comes first: it has to run before libp2p does. */
import './polyfill.js'
export * from './host.js'
export * from './peers.js'
