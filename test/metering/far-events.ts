/** The events of a node in another process, to which the connection can break. */
import type { EventsApi, NodeEvent } from '../../src/node/api.js'
import type { Following } from '../../src/metering/index.js'

export class FarEvents {
  #break: () => void = () => {}
  readonly #events: Pick<EventsApi, 'on'>

  constructor(events: Pick<EventsApi, 'on'>) {
    this.#events = events
  }

  readonly on = (listener: (event: NodeEvent) => void): (() => void) => this.#events.on(listener)

  readonly follow = (listener: (event: NodeEvent) => void): Following => {
    const stop = this.#events.on(listener)
    const closed = new Promise<void>((resolve) => {
      this.#break = () => {
        stop()
        resolve()
      }
    })
    return { ready: Promise.resolve(), closed, stop }
  }

  /** Nothing more is heard, until it is followed again. */
  break(): void {
    this.#break()
  }
}
