import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

describe('daemon / reference', () => {
  it('the tables of docs/ are what the tables of the code say', () => {
    const script = fileURLToPath(new URL('../../../scripts/reference.js', import.meta.url))
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], {
      encoding: 'utf8'
    })
    assert.equal(stderr, '')
    assert.equal(status, 0)
  })
})
