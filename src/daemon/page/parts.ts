/** Parts that the sections of the page are made of. */
import { encodeQR } from 'qr'
import { button, element, need } from '../../browser/dom.js'
import { parseAmount } from '../../types/amount.js'
import { messageOf } from '../../types/errors.js'
import type { Satoshi } from '../../types/units.js'
import { type Field, formatTime } from '../../words/text.js'
import { say } from './client.js'

/** Names and values, as a list of definitions; what has no name belongs to the one before. */
export function fieldList(fields: readonly Field[]): HTMLElement {
  return element(
    'dl',
    { class: 'figures' },
    ...fields.flatMap(([name, value]) => [
      element('dt', {}, name),
      element('dd', {}, value === '' ? '–' : value)
    ])
  )
}

/** A button that copies a text; `what` names it for people who do not see it. */
export function copyButton(what: string, text: () => string): HTMLButtonElement {
  return button(
    'Copy',
    () => {
      navigator.clipboard.writeText(text()).then(
        () => say(`${what} copied`),
        () => say(`${what} could not be copied: select it by hand`)
      )
    },
    { class: 'small', 'aria-label': `copy ${what}` }
  )
}

/** A text to be copied, whole, with its button. */
export function copyable(what: string, text: string): HTMLElement {
  return element(
    'p',
    { class: 'copyable' },
    element('code', {}, text),
    copyButton(what, () => text)
  )
}

/** A moment by the clock of the reader; its title has it in UTC, as the command line does. */
export function moment(milliseconds: number): HTMLElement {
  const date = new Date(milliseconds)
  const isToday = date.toDateString() === new Date().toDateString()
  const text = date.toLocaleString('en-GB', {
    ...(isToday ? {} : { day: 'numeric', month: 'short', year: 'numeric' }),
    hour: '2-digit',
    minute: '2-digit',
    ...(isToday ? { second: '2-digit' } : {})
  })
  const iso = Number.isNaN(date.getTime()) ? '' : date.toISOString()
  return element('time', { datetime: iso, title: formatTime(milliseconds) }, text)
}

const SVG = 'http://www.w3.org/2000/svg'

/** An element of a drawing. */
export function drawn(
  tag: string,
  attributes: Readonly<Record<string, string | number>>,
  ...children: readonly Node[]
): SVGElement {
  const made = document.createElementNS(SVG, tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value))
  made.append(...children)
  return made
}

/** Cells around a code that readers need to find it (ISO 18004, quiet zone). */
const QUIET_ZONE = 4

/** A QR code of a text, dark on light whatever the colours of the page are. */
export function qrCode(text: string): SVGElement {
  // Capitals and digits take 5.5 bits a letter instead of 8 (alphanumeric mode).
  const cells = encodeQR(text.toUpperCase(), 'raw', { ecc: 'low', border: QUIET_ZONE })
  const path = cells
    .flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])))
    .join('')
  const size = cells.length
  return drawn(
    'svg',
    { class: 'qr', viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': 'QR code' },
    drawn('rect', { width: size, height: size, fill: '#fff' }),
    drawn('path', { d: path, fill: '#000', 'shape-rendering': 'crispEdges' })
  )
}

/** A row of a list that stays the same element while what it shows changes. */
export interface Row<Item> {
  readonly element: HTMLElement
  readonly show: (item: Item) => void
}

/**
 * A list whose rows stay where they are while they change, so that nobody who reads, selects or
 * stands on one loses the place.
 */
export class RowList<Item> {
  readonly #rows = new Map<string, Row<Item>>()
  readonly #place: HTMLElement
  readonly #keyOf: (item: Item) => string
  readonly #make: (item: Item) => Row<Item>

  constructor(place: HTMLElement, keyOf: (item: Item) => string, make: (item: Item) => Row<Item>) {
    this.#place = place
    this.#keyOf = keyOf
    this.#make = make
  }

  show(items: readonly Item[]): void {
    const keys = new Set(items.map(this.#keyOf))
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue
      row.element.remove()
      this.#rows.delete(key)
    }
    let next = this.#place.firstElementChild
    for (const item of items) {
      const key = this.#keyOf(item)
      const row = this.#rows.get(key) ?? this.#make(item)
      this.#rows.set(key, row)
      row.show(item)
      if (row.element === next) next = next.nextElementSibling
      else this.#place.insertBefore(row.element, next)
    }
  }
}

/** Sets a text only when it is another one: a screen reader reads what changes. */
export function setText(place: HTMLElement, text: string): void {
  if (place.textContent !== text) place.textContent = text
}

/* Dialogs, and forms that do a thing once, however often somebody presses the button. */

/** Opens a dialog of the page; the element that was in use gets the focus back by itself. */
export function openDialog(id: string): void {
  const dialog = need(id, HTMLDialogElement)
  if (!dialog.open) dialog.showModal()
}

/**
 * Lets the buttons of class `dismiss` close their dialogs. A click beside a dialog does not: it may
 * be the second one of two, and what has just been paid would not be seen.
 */
export function prepareDialogs(): void {
  for (const dialog of document.querySelectorAll('dialog')) {
    for (const dismiss of dialog.querySelectorAll('.dismiss')) {
      dismiss.addEventListener('click', () => {
        dialog.close()
      })
    }
  }
}

/** The texts of a form by the names of their fields, without spaces around them. */
export function valueOf(form: HTMLFormElement, name: string): string {
  const field = form.elements.namedItem(name)
  return field instanceof HTMLInputElement ||
    field instanceof HTMLSelectElement ||
    field instanceof HTMLTextAreaElement
    ? field.value.trim()
    : ''
}

export function isChecked(form: HTMLFormElement, name: string): boolean {
  const field = form.elements.namedItem(name)
  return field instanceof HTMLInputElement && field.checked
}

/** @throws PaychanError `ERR_INVALID_AMOUNT` */
export function amountOf(form: HTMLFormElement, name = 'amount'): Satoshi {
  return parseAmount(valueOf(form, name))
}

/** Undefined when the field is empty. @throws PaychanError `ERR_INVALID_AMOUNT` */
export function maybeAmountOf(form: HTMLFormElement, name = 'amount'): Satoshi | undefined {
  return valueOf(form, name) === '' ? undefined : amountOf(form, name)
}

/**
 * Runs `act` when a form is sent, one at a time, and shows the sentence of an error in the form.
 *
 * `act` gets a key: the same one for as long as the form says the same, however often it is sent,
 * until it has succeeded. With it as `Idempotency-Key` a second click pays nothing, nor does a
 * second try after an answer that was lost.
 */
export function onSend(form: HTMLFormElement, act: (key: string) => Promise<void>): void {
  let key: string | undefined
  let isUnderWay = false
  const problem = form.querySelector<HTMLElement>('.problem')
  const tell = (text: string): void => {
    if (problem === null) return
    problem.textContent = text
    problem.hidden = text === ''
  }
  form.addEventListener('input', () => {
    key = undefined
  })
  form.addEventListener('reset', () => {
    key = undefined
    tell('')
  })
  const send = async (): Promise<void> => {
    key ??= crypto.randomUUID()
    tell('')
    setBusy(form, true)
    try {
      await act(key)
      key = undefined
    } catch (error) {
      tell(messageOf(error))
    } finally {
      setBusy(form, false)
    }
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    if (isUnderWay) return
    isUnderWay = true
    void send().finally(() => {
      isUnderWay = false
    })
  })
}

/** Not `disabled`, which would take the focus away. */
function setBusy(form: HTMLFormElement, isBusy: boolean): void {
  form.setAttribute('aria-busy', String(isBusy))
  for (const each of form.querySelectorAll('button[type=submit]')) {
    each.setAttribute('aria-disabled', String(isBusy))
  }
}
