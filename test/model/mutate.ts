/**
 * `node --import ./dist/test/model/mutate.js ...` with PAYCHAN_MUTANT=NAME: the code runs with that
 * fault in it. Threads of their own do without.
 */
import { register } from 'node:module'
import { mutantOf } from './mutants.js'

register('./mutate-hooks.js', import.meta.url, {
  data: mutantOf(process.env['PAYCHAN_MUTANT'] ?? '').replacements
})
