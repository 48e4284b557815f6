import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { plainWords } from '../../src/cli/channel-words.js'
import { channel } from '../daemon/fake-node.js'

/** Every text that the state machine tells with a `notify`, its expressions as they stand. */
function notices (): string[] {
  return ['src/channel', 'src/engine'].flatMap((room) => readdirSync(room).filter((name) => name.endsWith('.ts')).flatMap((name) =>
    [...readFileSync(`${room}/${name}`, 'utf8').matchAll(/type: 'notify'.*?what: (['`])(.*?)\1 \}/g)].map(([, , text = '']) => text.replaceAll('\\\'', '\''))))
}

describe('the words for what happens to a channel', () => {
  it('are those of its users, whatever it is', () => {
    const texts = notices()
    assert.ok(texts.length > 30)
    for (const what of texts) {
      for (const role of ['client', 'server'] as const) {
        const told = plainWords({ type: 'channel', channel: { ...channel, role }, what })
        assert.doesNotMatch(told, /\b[TK]\d\b|\b(the \w+) \1\b/, what)
      }
    }
  })

  it('tell each step from the side that takes it', () => {
    assert.equal(plainWords({ type: 'channel', channel: { ...channel, role: 'server' }, what: 'signed T2', step: 4 }), 'refund signed for the peer')
    assert.equal(plainWords({ type: 'channel', channel, what: 'the refund T2 ab is in block 1', step: 'refund' }), 'the refund ab is in block 1')
  })
})
