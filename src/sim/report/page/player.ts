/** The time that the page shows, and the slider and the button below the picture that move it. */
import { need } from '../../../browser/dom.js'
import { count, moment } from '../format.js'

/** Seconds that playing the whole simulation takes. */
const PLAYING = 24

export function showPlayer(clock: Clock): void {
  const slider = need('time', HTMLInputElement)
  const play = need('play', HTMLButtonElement)
  const now = need('now', HTMLElement)
  let started: { readonly at: number; readonly sample: number } | undefined

  const stop = (): void => {
    started = undefined
    play.setAttribute('aria-pressed', 'false')
    play.textContent = '▶ play'
  }
  const step = (at: number): void => {
    if (started === undefined) return
    const sample = started.sample + ((at - started.at) / 1000 / PLAYING) * clock.last
    clock.set(sample)
    if (sample >= clock.last) stop()
    else requestAnimationFrame(step)
  }
  play.addEventListener('click', () => {
    if (started !== undefined) {
      stop()
      return
    }
    if (clock.sample === clock.last) clock.set(0)
    started = { at: performance.now(), sample: clock.sample }
    play.setAttribute('aria-pressed', 'true')
    play.textContent = '❚❚ pause'
    requestAnimationFrame(step)
  })
  slider.addEventListener('input', () => {
    stop()
    clock.set(Number(slider.value))
  })
  clock.listen(() => {
    slider.value = String(clock.sample)
    now.textContent = `${moment(clock.seconds)} · block ${count(clock.height)}`
    slider.setAttribute('aria-valuetext', now.textContent)
  })
}

/** The time that the picture and the curves show: one of the samples. */
export class Clock {
  readonly #listeners: Array<() => void> = []
  #sample: number

  /** @param shown - the first sample to show */
  constructor(
    readonly times: readonly number[],
    readonly heights: readonly number[],
    shown: number
  ) {
    this.#sample = shown
  }

  get last(): number {
    return Math.max(0, this.times.length - 1)
  }
  get sample(): number {
    return this.#sample
  }
  get seconds(): number {
    return this.times[this.#sample] ?? 0
  }
  get height(): number {
    return this.heights[this.#sample] ?? 0
  }

  set(sample: number): void {
    const next = Math.max(0, Math.min(this.last, Math.round(sample)))
    if (next === this.#sample) return
    this.#sample = next
    for (const listener of this.#listeners) listener()
  }

  /** Called after every change, and at once. */
  listen(listener: () => void): void {
    this.#listeners.push(listener)
    listener()
  }
}
