/** A host and a port, as people write them: `127.0.0.1:9803`, `[::1]:9803`, `example.com:443`. */

/**
 * Reads HOST:PORT; undefined when it is none. The brackets of an IPv6 address are left out.
 *
 * @example readHostPort('[::1]:9803') // { host: '::1', port: 9803 }
 */
export function readHostPort(
  text: string
): { readonly host: string; readonly port: number } | undefined {
  const [, name = '', digits = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  const host = name.replace(/^\[(.*)\]$/, '$1')
  const port = Number(digits)
  return host !== '' && port <= 65_535 ? { host, port } : undefined
}
