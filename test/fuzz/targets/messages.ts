/**
 * Whatever a peer says at whatever stage of a channel: a transition throws nothing, and the money
 * stays within the capacity.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  decode,
  encode,
  type Message,
  unpackPayments
} from '../../../protocols/paychan/1.0/index.js'
import { balances } from '../../../src/channel/ledger.js'
import { adoptRecord, ourSide, recordOf } from '../../../src/channel/restoring.js'
import { transition } from '../../../src/channel/transition.js'
import { fromFrames, isCutShort, toFrame } from '../../../src/p2p/stream-link.js'
import { fromHex } from '../../../src/types/bytes.js'
import { eventOf } from '../../channel/asserts.js'
import type { Side } from '../../channel/side.js'
import { World } from '../../channel/world.js'
import { isRefusal, neverThrows, type Target, unlessRefused } from '../fuzzer.js'
import { sides } from './transactions.js'

const VECTORS = join(
  import.meta.dirname,
  '..',
  '..',
  '..',
  '..',
  'protocols',
  'paychan',
  '1.0',
  'vectors',
  'messages.json'
)

let known: readonly Message[] | undefined

/** One of each kind, and those that real channels have sent. */
function messages(): readonly Message[] {
  if (known !== undefined) return known
  const { accept } = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
    readonly accept: ReadonlyArray<{ readonly bytes: string }>
  }
  const records = sides().flatMap((side) => recordOf(side.channel, side.env()) ?? [])
  const sent = sides().flatMap(({ effects }) =>
    effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []))
  )
  known = [...accept.map(({ bytes }) => decode(fromHex(bytes))), ...records, ...sent]
  return known
}

let staged: readonly Side[] | undefined

/** Both sides at every stage. */
function stages(): readonly Side[] {
  staged ??= [
    ...(['offered', 'accepted', 'refund-requested', 'refund-signed'] as const).flatMap((stage) =>
      (['client', 'server'] as const).flatMap((role) => {
        const world = new World()
        try {
          return [world.until(role, stage)[role]]
        } catch {
          return []
        }
      })
    ),
    ...[
      new World().open(),
      new World().open().paid(20_000n),
      new World({ step: 20 }).open().paidBy('client', 40_000n).paidBy('server', 15_000n)
    ].flatMap((world) => [world.client, world.server]),
    ...[new World().open().paid(20_000n).disconnect().connect()].flatMap((world) => [
      world.client,
      world.server
    ])
  ]
  return staged
}

export const MESSAGES: Target = {
  name: 'messages',
  seeds: () =>
    stages().flatMap((_side, n) =>
      messages()
        .filter((_message, at) => at % 4 === n % 4)
        .map((message) => Uint8Array.from([n, 1, ...encode(message)]))
    ),
  run: ([at = 0, trusts = 0, ...bytes]) => {
    const side = stages()[at % stages().length]
    const message = unlessRefused(() => decode(Uint8Array.from(bytes)))
    if (side === undefined || message === undefined) return
    // With signatures that are all good, more is looked at.
    const env = side.env(trusts % 2 === 1 ? { verify: () => true } : {})
    const { state } = neverThrows('a transition', () =>
      transition(side.channel, eventOf(message), env)
    )
    if (state.stage === 'established') {
      const { client, server } = balances(state.terms, state.ledger)
      assert.ok(
        client >= 0n && server >= 0n && client + server === state.terms.capacity,
        `${client} sat and ${server} sat of ${state.terms.capacity} sat`
      )
    }
    if (message.type !== 'ChannelRecord') return
    unlessRefused(() => ourSide(message, () => message.open.channelKey))
    const { role, keys } = side.channel
    const adopted = unlessRefused(() =>
      adoptRecord(
        message,
        { role, keys, peer: 'bob', address: 'bob', network: 'regtest' },
        { ...env, isKnownKey: () => false, isKnownOutPoint: () => false }
      )
    )
    if (adopted?.state.stage === 'established') {
      assert.ok(
        balances(adopted.state.terms, adopted.state.ledger).client <= adopted.state.terms.capacity
      )
    }
  }
}

/* Frames of a stream, and the messages in them: what is read is what would have been written. */

export const WIRE: Target = {
  name: 'wire',
  seeds: () => [
    ...messages().map(encode),
    ...messages().map((message) => toFrame(message).subarray())
  ],
  run: async (input) => {
    const message = unlessRefused(() => decode(input))
    if (message !== undefined) assert.deepEqual(encode(message), input)
    try {
      for await (const frame of fromFrames(pieces(input))) {
        unlessRefused(() => decode(frame.subarray()))
      }
    } catch (error) {
      if (!isRefusal(error) && !isCutShort(error)) throw error
    }
    // A record of the payment log; its reader makes one error of all.
    try {
      unpackPayments(input)
    } catch (error) {
      assert.ok(error instanceof Error)
    }
  }
}

async function* pieces(input: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < input.length; at += 1 + (at % 7)) yield input.slice(at, at + 1 + (at % 7))
}
