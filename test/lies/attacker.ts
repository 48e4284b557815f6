/**
 * What the operator of a node can do with its keys by hand, and an Electrum server that shows what
 * is in no mempool.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import { SIGHASH, toDer } from '../../src/bitcoin/ecdsa.js'
import { SEQUENCE } from '../../src/bitcoin/funding-spend.js'
import { fundingWitnessScript, p2wsh, payoutWitnessScript } from '../../src/bitcoin/scripts.js'
import { payerOutput, type TxOutput } from '../../src/bitcoin/template.js'
import { scriptHashOf } from '../../src/chain/electrum/session.js'
import { payeeOf, type StateRef } from '../../src/channel/schedule.js'
import { stateTemplate } from '../../src/channel/signing.js'
import type { Established } from '../../src/channel/state.js'
import { partyOf } from '../../src/channel/terms.js'
import { loadChannels } from '../../src/engine/stored-channel.js'
import type { Signer } from '../../src/engine/ports.js'
import { SEED_FILE, STORE_DIRECTORY } from '../../src/node/system.js'
import { openLevelStore } from '../../src/store/level.js'
import { hashFromTxid } from '../../src/types/bytes.js'
import { satoshi, type Satoshi } from '../../src/types/units.js'
import { identitySeed, rootFromWords } from '../../src/bitcoin/seed.js'
import { createSigner } from '../../src/wallet/signer.js'
import type { Person, Spendable } from '../devnet/support.js'
import { Liar, type Lie, type Line } from './liar.js'

const HISTORY = 'blockchain.scripthash.get_history'
const SUBSCRIBE = 'blockchain.scripthash.subscribe'
const RAW = 'blockchain.transaction.get'

/** What the payee adds to a state of its own. */
export interface Additions {
  /** In satoshis: what the payee leaves of its share. */
  readonly fee: bigint
  /** Beside the channel's input; a coin without an owner has a witness that nobody would take. */
  readonly coins?: ReadonlyArray<Spendable & { readonly owner?: Person }>
  /** Before the payee's own output. */
  readonly outputs?: readonly TxOutput[]
}

/** The one channel of a stopped node, with its keys. */
export class Attacker {
  /** @param identity - the seed of the node's libp2p key */
  private constructor(
    readonly channel: Established,
    readonly signer: Signer,
    readonly identity: Uint8Array
  ) {}

  /** Takes over a node that has stopped. */
  static async of(dataDir: string): Promise<Attacker> {
    const root = rootFromWords((await readFile(join(dataDir, SEED_FILE), 'utf8')).trim())
    const store = await openLevelStore(join(dataDir, STORE_DIRECTORY))
    const {
      channels: [channel]
    } = await loadChannels(store)
    await store.close()
    assert.ok(channel?.stage === 'established')
    return new Attacker(channel, createSigner(root, 'regtest'), identitySeed(root, 'regtest'))
  }

  /** With this side's key of the channel. */
  sign(digest: Uint8Array): Uint8Array {
    const { role, keys } = this.channel
    return this.signer.sign({ role, ...keys, use: 'channel' }, digest)
  }

  get fundingScript(): Uint8Array {
    return p2wsh(this.#witnessScript)
  }

  /** Where the payer of a turn is paid what a state leaves it. */
  payoutScript(role: 'client' | 'server'): Uint8Array {
    return p2wsh(payoutWitnessScript(partyOf(this.channel.terms, role).payoutKey))
  }

  /**
   * A state that this side holds,  with what the payee may add to it: signed,
   * and sent to nobody.
   */
  state(turn: StateRef, { fee, coins = [], outputs = [] }: Additions): Transaction {
    const { outPoint, terms, role } = this.channel
    const { payerBalance, signature } = this.#held(turn)
    assert.equal(payeeOf(turn), role)
    const template = stateTemplate(this.channel, payerBalance, turn)
    const own = payerOutput(template)
    const tx = new Transaction()
    tx.version = template.version
    tx.locktime = template.lock
    tx.addInput(hashFromTxid(outPoint.txid), outPoint.vout, SEQUENCE)
    for (const {
      outPoint: { txid, vout }
    } of coins) {
      tx.addInput(hashFromTxid(txid), vout, SEQUENCE)
    }
    const placed = [...(own === undefined ? [] : [own]), ...outputs]
    const brought = coins.reduce<bigint>((sum, { value }) => sum + value, terms.capacity)
    const rest = placed.reduce((left, { value }) => left - value, brought - fee)
    for (const { script, value } of [
      ...placed,
      { script: partyOf(terms, role).closeScript, value: satoshi(rest) }
    ]) {
      tx.addOutput(script, value)
    }
    coins.forEach(({ owner, value }, i) => {
      tx.setWitness(
        i + 1,
        owner === undefined
          ? [new Uint8Array(71).fill(1), new Uint8Array(33).fill(2)]
          : [
              owner.sign(tx.hashForWitnessV0(i + 1, owner.scriptCode, value, SIGHASH.ALL)),
              owner.publicKey
            ]
      )
    })
    const theirs = toDer(
      signature,
      (own === undefined ? SIGHASH.NONE : SIGHASH.SINGLE) | SIGHASH.ANYONECANPAY
    )
    const ours = toDer(
      this.sign(tx.hashForWitnessV0(0, this.#witnessScript, terms.capacity, SIGHASH.ALL)),
      SIGHASH.ALL
    )
    tx.setWitness(0, [
      new Uint8Array(0),
      ...(role === 'client' ? [ours, theirs] : [theirs, ours]),
      this.#witnessScript
    ])
    return tx
  }

  get #witnessScript(): Uint8Array {
    const { client, server } = this.channel.terms
    return fundingWitnessScript(client.channelKey, server.channelKey)
  }

  #held(turn: StateRef): { readonly payerBalance: Satoshi; readonly signature: Uint8Array } {
    const { channel } = this
    const { ledger, ended, terms } = channel
    const refundSignature = channel.role === 'client' ? channel.refundSignature : undefined
    const { payerBalance, signature } =
      turn === 'refund'
        ? { payerBalance: terms.serverBalance, signature: refundSignature }
        : turn === ledger.turn
          ? (ledger.held ?? assert.fail())
          : (ended.find((each) => each.turn === turn) ?? assert.fail())
    return { payerBalance, signature: signature ?? assert.fail(`no signature of turn ${turn}`) }
  }
}

const rows = z.array(z.object({ tx_hash: z.string(), height: z.number() }))

/**
 * An Electrum server in front of an honest one, which shows transactions beside the truth as if
 * they waited in its mempool.
 */
export class PhantomServer {
  readonly #shown = new Map<string, Transaction>()
  readonly #lines = new Set<Line>()

  readonly lie: Lie = {
    onConnection: (line) => {
      this.#lines.add(line)
    },
    answer: async ({ method, params: [asked] }, honest) => {
      if (method === RAW) {
        return {
          result:
            [...this.#shown.values()].find((tx) => tx.getId() === asked)?.toHex() ??
            (await honest())
        }
      }
      const phantom = method === HISTORY ? this.#shown.get(String(asked)) : undefined
      const said = await honest()
      return {
        result:
          phantom === undefined
            ? said
            : [...rows.parse(said), { tx_hash: phantom.getId(), height: 0 }]
      }
    }
  }

  #liar: Liar | undefined

  static async start(target: {
    readonly host: string
    readonly port: number
  }): Promise<PhantomServer> {
    const server = new PhantomServer()
    server.#liar = await Liar.start(target, server.lie)
    return server
  }

  get url(): string {
    return this.#liar?.url ?? assert.fail()
  }

  async stop(): Promise<void> {
    await this.#liar?.stop()
  }

  /** From now on the history of the script ends with the transaction. */
  show(script: Uint8Array, tx: Transaction): void {
    const hash = scriptHashOf(script)
    this.#shown.set(hash, tx)
    for (const line of this.#lines) line.notify(SUBSCRIBE, [hash, 'ab'.repeat(32)])
  }
}
