/** The scenario's faults of nodes: their times, nodes and durations. */
import type { Fault } from './scenario/scenario.js'
import { type Calendar, Draws } from '../testing/calendar.js'
import type { SimNode } from './node.js'

interface FaultHost {
  readonly calendar: Calendar
  readonly seed: number
  readonly start: (node: SimNode) => void
}

/** True when `who` means this node: its name, its group, or `all`. */
export function isMeant(who: string, { name, group }: Pick<SimNode, 'name' | 'group'>): boolean {
  return who === 'all' || who === name || who === group
}

/** Arranges all faults of all nodes. The clock's is drawn when a node is made. */
export function arrangeFaults(
  faults: readonly Fault[],
  nodes: readonly SimNode[],
  host: FaultHost
): void {
  faults.forEach((fault, n) => {
    if (fault.kind === 'clock-skew') return
    for (const node of nodes) {
      if (isMeant(fault.who, node)) {
        arrange(fault, node, new Draws(host.seed, `fault ${n} ${node.name}`), host)
      }
    }
  })
}

/** Alternates between healthy and faulty periods. */
function arrange(
  fault: Exclude<Fault, { kind: 'clock-skew' }>,
  node: SimNode,
  draws: Draws,
  host: FaultHost
): void {
  host.calendar.after(1_000 * draws.of(fault.every), () => {
    strike(fault, node)
    host.calendar.after(1_000 * draws.of(fault.down), () => {
      mend(fault, node, host)
      arrange(fault, node, draws, host)
    })
  })
}

function strike(fault: Exclude<Fault, { kind: 'clock-skew' }>, node: SimNode): void {
  switch (fault.kind) {
    case 'crash': {
      if (fault.orderly) void node.stop()
      else node.crash(fault.losesWrites)
      return
    }
    case 'disk-full': {
      node.disk.isFull = true
      return
    }
    case 'electrum-outage': {
      if (node.isUp) node.blind('down')
      return
    }
    case 'electrum-hides': {
      if (node.isUp) node.blind(fault.all ? 'all' : 'mempool')
    }
  }
}

function mend(
  fault: Exclude<Fault, { kind: 'clock-skew' }>,
  node: SimNode,
  { start }: FaultHost
): void {
  if (fault.kind === 'disk-full') node.disk.isFull = false
  if (fault.kind === 'electrum-outage' || fault.kind === 'electrum-hides') {
    if (node.isUp) node.see()
  } else if (!node.isUp) start(node)
}
