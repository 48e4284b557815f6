/**
 * Many nodes in virtual time, without sockets: for the tests of an application.
 *
 * @module paychan/testing
 */
export type { EngineEvent, Timeouts } from '../engine/context.js'
export type * from '../engine/ports.js'
export type { RequestRecord } from '../engine/requests.js'
export { quiet, World, WorldNode, type NodeSetup, type WorldOptions } from './world.js'
export type * from './chain.js'
export type * from './disk.js'
export type { NetworkSetup, Partition, SimNetwork } from './network.js'
export type { Distribution, Span } from './calendar.js'
export type { ServerLie, ServerSetup } from './servers.js'
export type { SimTransaction } from './mempool.js'
export type { SimView } from './view.js'
