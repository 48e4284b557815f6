import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { vectorTexts } from './generate.js'
import { VECTORS_FOLDER } from './schema.js'

describe('vector files', () => {
  for (const [file, text] of vectorTexts()) {
    it(`${file} is what the generator writes, byte for byte`, () => {
      assert.equal(
        readFileSync(join(process.cwd(), VECTORS_FOLDER, file), 'utf8'),
        text,
        `run the generator: ${file} is out of date`
      )
    })
  }

  it('come out the same every time', () => {
    assert.deepEqual(vectorTexts(), vectorTexts())
  })

  it('keep every amount within what JSON numbers carry exactly', () => {
    for (const [, text] of vectorTexts()) {
      for (const [, digits] of text.matchAll(/: (\d+),?\n/g)) {
        assert.ok(Number.isSafeInteger(Number(digits)))
      }
    }
  })
})
