/** The words of the configuration for how much a node logs, and in which form. */

/** Each level with all before it. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Lines for people, or one JSON object a line. */
export const LOG_FORMATS = ['text', 'json'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

export interface LogConfig {
  readonly level: LogLevel
  readonly format: LogFormat
}

export const DEFAULT_LOG: LogConfig = { level: 'info', format: 'text' }

/** True when what has a level is logged where `most` is. */
export function isLogged(level: LogLevel, most: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(most)
}
