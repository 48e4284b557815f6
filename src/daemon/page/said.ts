/** A text that is read aloud by a screen reader, and shown for a moment to everybody else. */
import { need } from '../../browser/dom.js'

const SHOWN_MS = 4_000

let timer: ReturnType<typeof setTimeout> | undefined

/** Says something that just happened. */
export function say(text: string): void {
  const place = need('said', HTMLElement)
  // Outside of an open dialog nothing is shown, and nothing read aloud.
  const home = document.querySelector('dialog[open]') ?? document.body
  if (place.parentElement !== home) home.append(place)
  place.textContent = text
  place.classList.add('shown')
  clearTimeout(timer)
  timer = setTimeout(() => place.classList.remove('shown'), SHOWN_MS)
}
