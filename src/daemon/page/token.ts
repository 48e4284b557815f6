/** The token of the page: it comes in the fragment of the address, and stays with this tab. */

const KEPT_AS = 'paychan-token'

/**
 * The token of this tab. One in the address is taken out of it at once, so that it stands in no
 * history and no bookmark.
 */
export function currentToken(): string | undefined {
  const given = /^#token=(\w+)$/.exec(location.hash)?.[1]
  if (given !== undefined) {
    sessionStorage.setItem(KEPT_AS, given)
    history.replaceState(null, '', location.pathname)
  }
  return sessionStorage.getItem(KEPT_AS) ?? undefined
}

/** Calls back when an address with another token is opened in this tab. */
export function onToken(taken: () => void): void {
  window.addEventListener('hashchange', () => {
    if (location.hash !== '') taken()
  })
}
