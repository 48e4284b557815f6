/** What is known of one channel of a simulation, as it goes. */
import { balances } from '../../channel/ledger.js'
import { payeeOf } from '../../channel/schedule.js'
import type { Established } from '../../channel/state.js'
import { type ChannelId, outPointText } from '../../types/bytes.js'
import type { SimNode } from '../node.js'
import type { PlannedOpening } from '../plan.js'
import type { Flow } from './channel-result.js'

export class ChannelRecord {
  id: ChannelId | undefined
  /** Of the funding output, as text. */
  outPoint: string | undefined
  /** Of the server, at the beginning: what a renewal takes over. */
  serverBegin = 0
  /** Why it came to nothing. */
  failure: string | undefined
  readonly forth: Flow = { made: 0, volume: 0, unknown: 0 }
  readonly back: Flow = { made: 0, volume: 0, unknown: 0 }
  lastPaidAt = 0
  firstSample = -1
  readonly balances: number[] = []

  constructor(
    readonly number: number,
    readonly opening: PlannedOpening,
    readonly client: SimNode,
    readonly server: SimNode,
    public capacity: number
  ) {}

  /** T1 is signed: the channel is there. */
  learn(state: Established): void {
    this.id = state.id
    this.outPoint = outPointText(state.outPoint)
    this.capacity = Number(state.terms.capacity)
    this.serverBegin = Number(state.terms.serverBalance)
  }

  /** What callers were told has come to the server, in satoshis. */
  get serverTold(): number {
    return this.serverBegin + this.forth.volume - this.back.volume
  }

  /** As a side knows it now, or knew it last. */
  stateOf(node: SimNode): Established | undefined {
    const state = this.id === undefined ? undefined : node.engine?.find(this.id)
    return state?.stage === 'established' ? state : undefined
  }

  /** Of the two sides' states the payee's of the newest turn: it holds the signature. */
  newest(): Established | undefined {
    const [one, other] = [this.stateOf(this.client), this.stateOf(this.server)]
    if (one === undefined || other === undefined) return one ?? other
    if (one.ledger.turn !== other.ledger.turn) {
      return one.ledger.turn > other.ledger.turn ? one : other
    }
    return payeeOf(one.ledger.turn) === one.role ? one : other
  }

  /** The server's share of the newest state. */
  static serverShare({ terms, ledger }: Established): number {
    return Number(balances(terms, ledger).server)
  }
}
