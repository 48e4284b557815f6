/** Helpers of the page for the document. */

/** The element with that id; the page is made with it. */
export function need<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id)
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} with the id ${id}`)
  return found
}

type Child = Node | string

/** An element with text and elements in it. Text stays text: nothing is parsed. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>>,
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

export function button(
  label: string,
  onClick: () => void,
  attributes: Readonly<Record<string, string>> = {}
): HTMLButtonElement {
  const made = element('button', { type: 'button', ...attributes }, label)
  made.addEventListener('click', onClick)
  return made
}

/** A colour of the style sheet, as it is now: light, dark or printed. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}

/**
 * Calls back when the colours have changed: the system's choice, and paper, which is always light.
 */
export function onColours(changed: () => void): void {
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed)
  window.addEventListener('beforeprint', () => {
    document.documentElement.dataset.print = ''
    changed()
  })
  window.addEventListener('afterprint', () => {
    delete document.documentElement.dataset.print
    changed()
  })
}
