/**
 * What the fuzzer has found stays found; and it finds what lies behind one condition after the
 * other.
 */
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text as textOf } from 'node:stream/consumers'
import { PaychanError } from '../../src/types/errors.js'
import { drawFrom, readCorpus } from './mutations.js'
import { faultOf, fuzz, type Target, utf8 } from './fuzzer.js'
import { TARGETS } from './targets/index.js'
import { itInAll } from '../size.js'

const noFault = async (target: Target, input: Uint8Array, name: string): Promise<void> => {
  const fault = await faultOf(target, input)
  assert.equal(fault, undefined, `${target.name} ${name}: ${fault?.stack ?? ''}`)
}

describe('fuzz / what others make is read, or refused by an error of its own', () => {
  for (const target of TARGETS) {
    it(`${target.name}: good inputs, and every case that was a fault once`, async () => {
      for (const [n, seed] of target.seeds().entries()) await noFault(target, seed, `seed ${n}`)
      for (const { name, input } of await readCorpus(target.name)) {
        await noFault(target, input, name)
      }
    })
  }
})

describe('fuzz / the fuzzer', () => {
  let isFound = false
  const planted: Target = {
    name: 'planted',
    seeds: () => [utf8('aaaa')],
    run: (input) => {
      if (input[0] !== 0x62) throw new PaychanError('ERR_INVALID_HEX', 'The first byte is another.')
      if (input[1] !== 0x63) {
        throw new PaychanError('ERR_INVALID_TXID', 'The second byte is another.')
      }
      if (input[2] !== 0x69) return
      isFound = true
      throw new TypeError('a fault')
    }
  }

  itInAll('goes on from what reaches further, and shortens what it finds', async () => {
    const { findings, kept } = await fuzz(planted, {
      draw: drawFrom(1),
      corpus: [],
      isOver: (runs) => isFound || runs > 20_000,
      counts: (url) => url.endsWith('/fuzz.test.js')
    })
    assert.deepEqual(
      findings.map(({ error, input }) => [error.message, new TextDecoder().decode(input)]),
      [['a fault', 'bci']]
    )
    assert.ok(kept.length >= 3, `${kept.length} inputs`)
  })

  it('takes an error without a code, and one that stands for a bug, for a fault', async () => {
    const throwing = (error: Error): Target => ({
      name: 'throwing',
      seeds: () => [],
      run: () => {
        throw error
      }
    })
    assert.equal(
      await faultOf(throwing(new PaychanError('ERR_INVALID_TXID', 'No.')), new Uint8Array(0)),
      undefined
    )
    for (const error of [
      new TypeError('x'),
      new RangeError('y'),
      new PaychanError('ERR_INTERNAL', 'z')
    ]) {
      assert.equal(await faultOf(throwing(error), new Uint8Array(0)), error)
    }
  })

  it('names an input over which code never ends, and ends itself', async () => {
    const corpus = await mkdtemp(join(tmpdir(), 'paychan-corpus-'))
    let child: ChildProcessByStdio<null, Readable, null> | undefined
    try {
      const program = `
        const { Watchdog } = await import(${JSON.stringify(new URL('watchdog.js', import.meta.url).href)})
        const loop = { name: 'loop', seeds: () => [], run: async () => { for (;;) await undefined } }
        const { run } = new Watchdog(100, ${JSON.stringify(corpus)}).watched(loop)
        await run(new TextEncoder().encode('for ever'))
      `
      child = spawn(process.execPath, ['--input-type=module', '-e', program], {
        stdio: ['ignore', 'pipe', 'inherit']
      })
      assert.match(await textOf(child.stdout), /^FOUND \S*loop\S*: it does not end\n$/)
      const [kept] = await readCorpus('loop', corpus)
      assert.equal(kept && new TextDecoder().decode(kept.input), 'for ever')
    } finally {
      child?.kill('SIGKILL')
      await rm(corpus, { recursive: true })
    }
  })
})
