/** Dialogs, and forms that do a thing once, however often somebody presses the button. */
import { parseAmount } from '../../types/amount.js'
import { messageOf } from '../../types/errors.js'
import type { Satoshi } from '../../types/units.js'
import { need } from '../../browser/dom.js'

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
