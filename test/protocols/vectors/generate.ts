/**
 * Writes protocols/paychan/1.0/vectors/*.json, all but messages.json. Run from the root of the
 * repository, it always writes the same bytes; a test checks that they are what is committed.
 *
 *   npm run build && node dist/test/protocols/vectors/generate.js
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { evidenceVectors } from './generate-evidence.js'
import { fundingVectors, keyVectors, scriptVectors, signatureVectors } from './generate-basics.js'
import { reestablishVectors } from './generate-reestablish.js'
import { refusalVectors } from './generate-refusals.js'
import { renewalVectors } from './generate-renewal.js'
import { closeVectors, refundVectors, stateVectors } from './generate-spends.js'
import { VECTORS_FOLDER, type VectorFile } from './schema.js'

const GENERATORS: { [F in VectorFile | 'reestablish.json' | 'refusals.json']: () => object } = {
  'keys.json': keyVectors,
  'scripts.json': scriptVectors,
  'signatures.json': signatureVectors,
  'funding.json': fundingVectors,
  'refund.json': refundVectors,
  'state.json': stateVectors,
  'close.json': closeVectors,
  'renewal.json': renewalVectors,
  'spends.json': evidenceVectors,
  'reestablish.json': reestablishVectors,
  'refusals.json': refusalVectors
}

/** The name and the text of every file. */
export function vectorTexts(): [file: string, text: string][] {
  return Object.entries(GENERATORS).map(([file, generate]) => [
    file,
    JSON.stringify(generate(), null, 2) + '\n'
  ])
}

const [, main] = process.argv
if (main !== undefined && import.meta.url === pathToFileURL(main).href) {
  for (const [file, text] of vectorTexts()) writeFileSync(join(VECTORS_FOLDER, file), text)
}
