/** Tells the logger and the metrics of the host what the service does. */
import type { ComponentLogger, CounterGroup, Logger, Metrics } from '@libp2p/interface'
import type { NodeEvent } from './api.js'

type Direction = 'sent' | 'received'

/** Follows the events of a node for the people who run its host (`DEBUG=paychan*`). */
export class Traces {
  readonly #log: Logger
  readonly #payments: CounterGroup<Direction> | undefined
  readonly #paid: CounterGroup<Direction> | undefined
  readonly #alarms: CounterGroup<string> | undefined

  constructor({
    logger,
    metrics
  }: {
    readonly logger: ComponentLogger
    readonly metrics?: Metrics
  }) {
    this.#log = logger.forComponent('paychan')
    this.#payments = metrics?.registerCounterGroup('paychan_payments_total', {
      label: 'direction',
      help: 'Payments that were acknowledged'
    })
    this.#paid = metrics?.registerCounterGroup('paychan_paid_satoshis_total', {
      label: 'direction',
      help: 'Their sum, in satoshis'
    })
    this.#alarms = metrics?.registerCounterGroup('paychan_alarms_total', {
      label: 'code',
      help: 'Alarms that were told, by their code'
    })
  }

  /** True when payments are counted. */
  get countsPayments(): boolean {
    return this.#payments !== undefined
  }

  /** True when the news of channels are logged. */
  get followsChannels(): boolean {
    return this.#log.enabled
  }

  event(event: NodeEvent): void {
    switch (event.type) {
      case 'payment': {
        const { id, channel, direction, amount } = event.payment
        this.#payments?.increment({ [direction]: true })
        this.#paid?.increment({ [direction]: Number(amount) })
        this.#log.trace('payment %s of %d sat %s on %s', id, amount, direction, channel)
        break
      }
      case 'alarm':
        this.#alarms?.increment({ [event.code]: true })
        this.#log.error('%s: %s', event.code, event.text)
        break
      case 'channel':
        this.#log('channel %s: %s', event.channel.id, event.news.kind)
        break
      case 'chain':
        this.#log('chain %s at height %d', event.status, event.height)
        break
      case 'server':
        this.#log('server %s: %s', event.server, event.text)
        break
      default:
        this.#log.trace('%s', event.type)
    }
  }
}
