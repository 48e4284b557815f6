/**
 * What a node tells: to listeners of every event, and to those of one kind, as libp2p's own
 * services tell it. Both hear from the same source, in the same order.
 */
import { type EventHandler, TypedEventEmitter } from '@libp2p/interface'
import type { NodeEvent } from './api.js'

/** The events of the service by their kind; `detail` is the event as `events.on` has it. */
export type PaychanEvents = {
  [Type in NodeEvent['type']]: CustomEvent<Extract<NodeEvent, { readonly type: Type }>>
}

/**
 * An EventTarget of the events of a node. An error in a listener becomes a warning of the process:
 * thrown out of an EventTarget it would end the process, and with it all payments.
 */
export class ToldEvents extends TypedEventEmitter<PaychanEvents> {
  readonly #listeners = new Set<(event: NodeEvent) => void>()
  readonly #guarded = new WeakMap<object, (event: Event) => void>()

  override addEventListener<Type extends keyof PaychanEvents>(
    type: Type,
    listener: EventHandler<PaychanEvents[Type]> | null,
    options?: Parameters<EventTarget['addEventListener']>[2]
  ): void {
    if (listener === null) return
    const guarded =
      this.#guarded.get(listener) ??
      ((event: Event): void => {
        warnOfErrors(() => {
          const told = event as PaychanEvents[Type]
          if (typeof listener === 'function') listener(told)
          else listener.handleEvent(told)
        })
      })
    this.#guarded.set(listener, guarded)
    super.addEventListener(type, guarded, options)
  }

  override removeEventListener<Type extends keyof PaychanEvents>(
    type: Type,
    listener?: EventHandler<PaychanEvents[Type]> | null,
    options?: Parameters<EventTarget['removeEventListener']>[2]
  ): void {
    const guarded = listener == null ? undefined : this.#guarded.get(listener)
    super.removeEventListener(type, guarded ?? listener, options)
  }

  /** Calls the listener with every event, until the function that it returns is called. */
  protected onEvery(listener: (event: NodeEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  /** True when somebody hears of events of this kind: otherwise they need not be described. */
  protected hasListeners(type: NodeEvent['type']): boolean {
    return this.#listeners.size > 0 || this.listenerCount(type) > 0
  }

  protected tellAll(event: NodeEvent): void {
    for (const listener of this.#listeners) {
      warnOfErrors(() => {
        listener(event)
      })
    }
    if (this.listenerCount(event.type) > 0) this.safeDispatchEvent(event.type, { detail: event })
  }
}

function warnOfErrors(call: () => void): void {
  try {
    call()
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error))
  }
}
