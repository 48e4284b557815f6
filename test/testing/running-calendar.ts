/** A calendar that runs on by itself: whatever waits for virtual time gets it at once. */
import { Calendar } from '../../src/testing/calendar.js'

export function runningCalendar(): { readonly calendar: Calendar; readonly stop: () => void } {
  const calendar = new Calendar()
  let isStopped = false
  const run = async (): Promise<void> => {
    while (!isStopped) {
      const { next } = calendar
      if (next === undefined) {
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
      } else {
        await calendar.run(next)
      }
    }
  }
  void run()
  return {
    calendar,
    stop: () => {
      isStopped = true
    }
  }
}
