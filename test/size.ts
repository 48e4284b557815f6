/**
 * How much a test run does. `npm test` fits between two edits; `npm run test:all` draws, kills and
 * tells as much as there is. What differs names both sizes beside each other.
 */
const text = process.env['PAYCHAN_TEST_SIZE'] ?? 'small'
if (text !== 'small' && text !== 'all') {
  throw new Error(`PAYCHAN_TEST_SIZE is 'small' or 'all', and '${text}' is neither.`)
}

const isAll = text === 'all'

export function sized<T>({ small, all }: { readonly small: T; readonly all: T }): T {
  return isAll ? all : small
}

/**
 * A test of `npm run test:all` alone: it cannot be made small, or its kind has others that are
 * quick.
 */
export function itInAll(title: string, test: Mocha.Func | Mocha.AsyncFunc): void {
  if (isAll) it(title, test)
}
