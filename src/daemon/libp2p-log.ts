/**
 * What libp2p logs, for the log of the node. It takes what many libraries want to say, so bytes and
 * objects are left out, but for peers and addresses: a key may be among them.
 */
import { type ComponentLogger, isPeerId, type Logger } from '@libp2p/interface'
import { isMultiaddr } from '@multiformats/multiaddr'
import { messageOf } from '../types/errors.js'

export type WriteLibp2p = (level: 'debug' | 'trace', component: string, text: string) => void

/**
 * A logger for `createLibp2p`. Errors are at `debug` as well: a peer that goes away is one for
 * libp2p.
 *
 * @param isTracing - whether anybody reads what is at `trace`
 */
export function libp2pLogger(write: WriteLibp2p, isTracing: boolean): ComponentLogger {
  function loggerOf(component: string): Logger {
    const at =
      (level: 'debug' | 'trace') =>
      (...words: unknown[]): void => {
        write(level, component, formatted(words))
      }
    return Object.assign(at('debug'), {
      error: at('debug'),
      trace: isTracing ? at('trace') : () => {},
      enabled: true,
      newScope: (name: string) => loggerOf(`${component}:${name}`)
    })
  }
  return { forComponent: loggerOf }
}

/** The words of a logger: a text with marks such as %s, and what belongs in their places. */
export function formatted([first, ...rest]: readonly unknown[]): string {
  if (typeof first !== 'string') return [first, ...rest].map(shown).join(' ')
  const left = [...rest]
  const text = first.replace(/%([a-zA-Z%])/g, (mark, letter: string) => {
    if (letter === '%') return '%'
    return left.length === 0 ? mark : shown(left.shift())
  })
  return [text, ...left.map(shown)].join(' ')
}

function shown(value: unknown): string {
  if (value instanceof Error) return `${value.name}: ${messageOf(value)}`
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  return isPeerId(value) || isMultiaddr(value) ? value.toString() : '<object>'
}
