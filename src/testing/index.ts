/** Many nodes in virtual time, without sockets: for the tests of an application. */
export type { Ports } from '../engine/ports.js'
export { quiet, World, WorldNode, type NodeSetup, type WorldOptions } from './world.js'
export type { NetworkSetup, Partition } from './network.js'
export type { Distribution, Span } from './random.js'
export type { ServerLie, ServerSetup } from './servers.js'
