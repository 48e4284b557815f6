/** What the engine tells whoever listens: the node, and through it people and programs. */
import type { Step } from '../channel/effects.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import type { PaymentInfo } from './payments.js'

export type EngineEvent =
  | { readonly type: 'channel', readonly channel: ChannelId, readonly what: string, readonly step: Step | undefined, readonly txid: Txid | undefined }
  | { readonly type: 'payment', readonly payment: PaymentInfo }
  | { readonly type: 'alarm', readonly code: string, readonly text: string, readonly channel: ChannelId | undefined }
