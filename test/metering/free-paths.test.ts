/** Free paths of a priced server: what can be read in two ways is paid. */
import assert from 'node:assert/strict'
import { isFreePath } from '../../src/metering/index.js'

const FREE = ['/health', '/static/', '/über uns']

describe('metering / free paths', () => {
  for (const path of [
    '/health',
    '/health/',
    '/health/now',
    '/heal%74h',
    '/static',
    '/static/a.css',
    '/static/a%20b.css',
    '/static/..b',
    '/%C3%BCber%20uns/team'
  ]) {
    it(`${path} is free`, () => {
      assert.equal(isFreePath(path, FREE), true)
    })
  }

  for (const path of [
    '/',
    '/paid',
    '/healthy-paid',
    '/healthy/health',
    '/paid/health',
    '/Health',
    '/health/..%2fpaid',
    '/health/..%2Fpaid',
    '/health%2f..%2fpaid',
    '/health/..%5cpaid',
    '/health/..\\paid',
    '/health/%2e%2e/paid',
    '/health/../paid',
    '/health/./paid',
    '/health/..;/paid',
    '/health/%252e%252e/paid',
    '/health/..%252fpaid',
    '/health//paid',
    '//health',
    '/health/%00/paid',
    '/health/%3f',
    '/health/%E0%A4'
  ]) {
    it(`${path} is paid`, () => {
      assert.equal(isFreePath(path, FREE), false)
    })
  }

  it('/ makes all free that can be read in one way', () => {
    assert.deepEqual(
      ['/', '/a/b', '/a//b'].map((path) => isFreePath(path, ['/'])),
      [true, true, false]
    )
  })
})
