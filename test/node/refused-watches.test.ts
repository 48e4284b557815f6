/**
 * A server that refuses to watch anything: one alarm, not one for each script of the wallet; and
 * why the connection ended is told when it hangs up after that.
 */
import assert from 'node:assert/strict'
import { Liar } from '../lies/liar.js'
import { Fixture } from './fixture.js'

const SUBSCRIBE = 'blockchain.scripthash.subscribe'
const REASON = 'excessive resource usage'

describe('node / a server that refuses subscriptions', () => {
  let fixture: Fixture
  let liar: Liar

  beforeEach(async () => {
    fixture = await Fixture.create()
    liar = await Liar.start(fixture.devnet)
  })
  afterEach(async () => {
    await fixture.end()
    await liar.stop()
  })

  it('is one alarm, however many scripts there are', async () => {
    let refused = 0
    const enough = new Promise<void>((resolve) => {
      liar.lie = {
        answer: async ({ method }, honest) => {
          if (method !== SUBSCRIBE) return { result: await honest() }
          refused += 1
          if (refused === 30) resolve()
          return { error: REASON }
        }
      }
    })
    const { events } = await fixture.node('alice', { electrum: liar.url }, 'started')
    await enough
    // The answer to what comes last: by then the others have been heard.
    await events.when((event) => event.type === 'alarm')
    const alarms = events.all.filter(({ type }) => type === 'alarm')
    assert.equal(alarms.length, 1, JSON.stringify(alarms))
    assert.match(
      JSON.stringify(alarms),
      /does not watch one of the wallet's scripts .*excessive resource usage/
    )
  })

  it('and hangs up: the event that the chain is down says why', async () => {
    let hangUp = (): void => {}
    let isSilent = false
    liar.lie = {
      answer: async ({ method }, honest, line) => {
        if (isSilent) return undefined
        if (method !== SUBSCRIBE) return { result: await honest() }
        isSilent = true
        hangUp = line.close
        return { error: REASON }
      }
    }
    const { events } = await fixture.node('alice', { electrum: liar.url }, 'started')
    // The refusal has been read.
    await events.when((event) => event.type === 'alarm')
    hangUp()
    const down = await events.when((event) => event.type === 'chain' && event.status === 'down')
    assert.match(
      down.type === 'chain' ? (down.reason ?? '') : '',
      /(closed the connection|broke: .*)\. Its last word: it refused blockchain\.scripthash\.subscribe: excessive resource usage\.$/
    )
  })
})
