import assert from 'node:assert/strict'
import fc from 'fast-check'
import { embedJson, escapeHtml, html, Html } from '../../../src/sim/report/html.js'

describe('text in a page', () => {
  it('stays text, whatever is in it', () => {
    assert.equal(
      html`<td title="${'"><script>'}">${"<b>&'</b>"}</td>`.text,
      '<td title="&quot;&gt;&lt;script&gt;">&lt;b&gt;&amp;&#39;&lt;/b&gt;</td>'
    )
  })

  it('takes HTML, lists and numbers as what they are', () => {
    assert.equal(
      html`<ul>${[1, 2].map((item) => html`<li>${item}</li>`)}${new Html('<hr>')}</ul>`.text,
      '<ul><li>1</li><li>2</li><hr></ul>'
    )
  })

  it('shows characters that would turn the direction of the text around, or hide', () => {
    assert.equal(escapeHtml('good\u202eegral\u0000'), 'good\ufffdegral\ufffd')
  })
})

describe('data in a page', () => {
  it('cannot end its script, open a comment, or end a line of JavaScript', () => {
    const text = embedJson({ name: '</script><script>alert(1)</script><!--\u2028\u2029' })
    assert.doesNotMatch(text, /[<>&\u2028\u2029]/)
    assert.deepEqual(JSON.parse(text), {
      name: '</script><script>alert(1)</script><!--\u2028\u2029'
    })
  })

  it('is the same after it was read again', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const text = embedJson({ name })
        assert.deepEqual(JSON.parse(text), { name })
        assert.doesNotMatch(text, /</)
      })
    )
  })
})
