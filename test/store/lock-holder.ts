/** A process of its own for `level.test.ts`: opens a store and keeps it until it is killed. */
import { openLevelStore } from '../../src/store/level.js'

const [, , directory] = process.argv
if (directory === undefined) throw new Error('usage: lock-holder DIRECTORY')

const store = await openLevelStore(directory)
process.on('message', () => {
  store.commit([{ key: 'from/child', value: Uint8Array.of(4, 2) }]).then(
    () => process.send?.('committed'),
    () => process.exit(1)
  )
})
process.send?.('open')
