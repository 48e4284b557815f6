/**
 * The public API: a whole node, the libp2p service, and the types of both.
 *
 * @module paychan
 */
export { createNode, type NodeOptions } from './node/create-node.js'
export {
  defaultPolicy,
  paychan,
  type Paychan,
  type PaychanComponents,
  type PaychanInit,
  type StreamsInit
} from './node/service.js'
export {
  paychanIdentity,
  type AskPassphrase,
  type Identity,
  type IdentityOptions
} from './node/identity.js'
export type { PaychanEvents } from './node/events.js'
export { readReceipt } from './node/receipts.js'
export { readRequest } from './node/requests.js'
export { webhooksByHttp } from './daemon/webhook-sender.js'
export type { WebhookAnswer } from './node/webhook-delivery.js'
export type { WebhookRequest, WebhookSender } from './node/webhooks.js'
export type * from './node/api.js'
export type { ChannelId, OutPoint, Txid } from './types/bytes.js'
export { PaychanError, type AlarmEvent, type Facts } from './types/errors.js'
export {
  blockDelta,
  satoshi,
  type BlockDelta,
  type BlockHeight,
  type Satoshi
} from './types/units.js'
