/** The selection in the picture: a node or a channel, by its position there. */
export type Selected = { readonly kind: 'node' | 'channel'; readonly at: number } | undefined

export class Selection {
  readonly #listeners: Array<() => void> = []
  #selected: Selected

  get selected(): Selected {
    return this.#selected
  }

  set(selected: Selected): void {
    this.#selected = selected
    for (const listener of this.#listeners) listener()
  }

  listen(listener: () => void): void {
    this.#listeners.push(listener)
  }

  is(kind: 'node' | 'channel', at: number): boolean {
    return this.#selected?.kind === kind && this.#selected.at === at
  }
}
