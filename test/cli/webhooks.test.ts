/** `paychan webhook` against a node that answers from a script. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EXIT } from '../../src/cli/output.js'
import { type ApiServer, serveApi } from '../../src/daemon/server.js'
import { FakeNode, webhook } from '../daemon/fake-node.js'
import { testWorld, type TestWorld, type WorldOptions } from './world.js'

const URL = 'https://shop.example/paid'

describe('paychan webhook', () => {
  let dir: string
  let node: FakeNode
  let server: ApiServer

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'paychan-cli-'))
    node = new FakeNode()
    server = await serveApi(node, join(dir, 'api.sock'))
  })

  afterEach(async () => {
    await server.close()
    await rm(dir, { recursive: true, force: true })
  })

  async function run(argv: readonly string[], options: WorldOptions = {}): Promise<TestWorld> {
    const world = testWorld({ env: { PAYCHAN_DATA: dir }, ...options })
    assert.equal(await world.run('webhook', ...argv), EXIT.ok, world.err())
    return world
  }

  it('add prints the secret alone, for a script, and says to a person what to do with it', async () => {
    const options = ['--events', 'payment,request', '--events', 'payment', '--from', '17']
    assert.equal((await run(['add', URL, ...options])).out(), 'whsec_c2VjcmV0\n')
    assert.deepEqual(node.calls, [
      { verb: 'addWebhook', args: [{ url: URL, events: ['payment', 'request'], from: 17 }] }
    ])
    const shown = (await run(['add', URL], { isTTY: true })).out()
    assert.match(shown, /whsec_c2VjcmV0/)
    assert.match(shown, /signs all events for https:\/\/shop\.example\/paid/)
    assert.match(shown, /paychan webhook remove 5f0c9a135f0c9a13/)
    assert.deepEqual(node.calls.at(-1), { verb: 'addWebhook', args: [{ url: URL }] })
  })

  it('list shows how far each has come, and why one is failing', async () => {
    const out = (await run(['list'], { columns: 200 })).out()
    assert.match(out, /5f0c9a135f0c9a13 +17 +failing: 2 tries, HTTP 503, next 2027-01-15/)
    assert.match(out, /payment request +https:\/\/shop\.example\/paid/)
    node.answers.webhooks = async () => [
      { ...webhook, lastStatus: undefined, lastProblem: 'connect ECONNREFUSED\u001b[2J' },
      { ...webhook, id: 'x', status: 'stopped', failures: 1, events: undefined }
    ]
    const other = (await run(['list'], { columns: 200 })).out()
    assert.match(other, /2 tries, connect ECONNREFUSED/)
    assert.ok(!other.includes('\u001b'), 'what a receiver made of it drives no terminal')
    assert.match(other, /stopped +all/)
    node.answers.webhooks = async () => []
    assert.match((await run(['list'])).out(), /no webhooks. Add one/)
  })

  it('remove and replay name one by its id', async () => {
    assert.match((await run(['remove', webhook.id])).out(), /gets no more events/)
    assert.match((await run(['replay', webhook.id, '--from', '3'])).out(), /events from 3 on/)
    assert.deepEqual(node.calls, [
      { verb: 'removeWebhook', args: [webhook.id] },
      { verb: 'replayWebhook', args: [webhook.id, 3] }
    ])
  })

  it('refuses kinds and numbers that are none before the node hears of it', async () => {
    for (const argv of [
      ['add', URL, '--events', 'payment,chain'],
      ['add', URL, '--from', '0'],
      ['add', URL, '--from', '1.5'],
      ['add'],
      ['replay', webhook.id],
      ['replay', webhook.id, '--from', 'one']
    ]) {
      const world = testWorld({ env: { PAYCHAN_DATA: dir } })
      assert.equal(await world.run('webhook', ...argv), EXIT.usage, argv.join(' '))
    }
    assert.deepEqual(node.calls, [])
  })
})
