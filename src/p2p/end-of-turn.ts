/**
 * The end of a turn of the event loop. What is to be done there is done in one callback: what the
 * streams of a connection then send shares a frame.
 */
let due: Array<() => void> = []

/** Calls `act`, which does not throw, at the end of this turn. */
export function atEndOfTurn(act: () => void): void {
  if (due.push(act) === 1) setImmediate(run)
}

function run(): void {
  const acts = due
  due = []
  for (const act of acts) act()
}
