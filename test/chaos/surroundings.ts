/**
 * What a node of the drill lives in: loaded into its process before its own code (`--import`). A
 * clock that can be set, which otherwise takes root or a library, and a network whose roads to
 * other nodes lead through the proxies of the drill, whatever address of a peer the node has come
 * to know. Both are read from a file beside its data directory, again with each SIGUSR2.
 */
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { z } from 'zod'

/**
 * `clock`: milliseconds that it goes ahead. `roads`: the port of a proxy by the port that it leads
 * to.
 */
export interface Surroundings {
  readonly clock: number
  readonly roads: Readonly<Record<string, number>>
}

const shape = z.object({ clock: z.number(), roads: z.record(z.string(), z.number()) })

export function surroundingsFile(dataDir: string): string {
  return `${dataDir}.surroundings.json`
}

/** Takes the process over, if it is that of a node: one with a data directory. */
function surround(): void {
  const dataDir = process.argv[process.argv.indexOf('--data') + 1]
  if (!process.argv.includes('--data') || dataDir === undefined) return
  let now: Surroundings = { clock: 0, roads: {} }
  const look = (): void => {
    try {
      now = shape.parse(JSON.parse(readFileSync(surroundingsFile(dataDir), 'utf8')))
    } catch {
      // There is none yet: as usual.
    }
  }
  look()
  process.on('SIGUSR2', look)
  const real = Date.now
  Date.now = () => real() + now.clock
  const connect = net.connect.bind(net) as (to: unknown, ...rest: unknown[]) => net.Socket
  const routed = (to: unknown, ...rest: unknown[]): net.Socket => {
    const road =
      typeof to === 'object' && to !== null && 'port' in to ? now.roads[String(to.port)] : undefined
    return connect(
      road === undefined ? to : { ...(to as net.TcpNetConnectOpts), port: road },
      ...rest
    )
  }
  Object.assign(net, { connect: routed, createConnection: routed })
  syncBuiltinESMExports()
}

surround()
