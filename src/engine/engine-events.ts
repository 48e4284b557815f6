/** What the engine tells whoever listens: the node, and through it people and programs. */
import type { Step } from '../channel/effects.js'
import type { News } from '../channel/news.js'
import type { ChannelId, Txid } from '../types/bytes.js'
import type { Satoshi } from '../types/units.js'
import type { PaymentInfo } from './payments.js'

export type EngineEvent =
  | {
      readonly type: 'channel'
      readonly channel: ChannelId
      readonly news: News
      readonly step: Step | undefined
      readonly txid: Txid | undefined
    }
  | { readonly type: 'payment'; readonly payment: PaymentInfo }
  | {
      readonly type: 'risk'
      readonly channel: ChannelId
      readonly risk: number
      readonly stake: Satoshi
      readonly isHigh: boolean
    }
  | {
      readonly type: 'alarm'
      readonly code: string
      readonly text: string
      readonly channel: ChannelId | undefined
    }
