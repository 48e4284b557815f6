import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { VERSION } from '../../src/node/layout.js'

describe('node / layout', () => {
  it('names the release as package.json does', async () => {
    const manifest: unknown = JSON.parse(await readFile('package.json', 'utf8'))
    assert.ok(typeof manifest === 'object' && manifest !== null && 'version' in manifest)
    assert.equal(VERSION, manifest.version)
  })
})
