/** A calendar that runs on by itself: whatever waits for virtual time gets it at once. */
import { Calendar } from '../../src/testing/calendar.js'

export function runningCalendar(): { readonly calendar: Calendar; readonly stop: () => void } {
  const calendar = new Calendar()
  const stopping = new AbortController()
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const { next } = calendar
      if (next !== undefined) await calendar.run(next)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
  }
  void run()
  return {
    calendar,
    stop: () => {
      stopping.abort()
    }
  }
}
