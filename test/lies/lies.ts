/** Everything that a server may do to us. Each is a row of docs/servers-that-lie.md. */
import { Transaction } from 'bitcoinjs-lib'
import { z } from 'zod'
import { scriptHashOf } from '../../src/chain/electrum/session.js'
import { seededRandom } from '../chain/helpers.js'
import type { Answer, Asked, Lie, Line } from './liar.js'

const HISTORY = 'blockchain.scripthash.get_history'
const SUBSCRIBE = 'blockchain.scripthash.subscribe'
const RAW = 'blockchain.transaction.get'
const PROOF = 'blockchain.transaction.get_merkle'
const HEADERS = 'blockchain.headers.subscribe'
const BROADCAST = 'blockchain.transaction.broadcast'

const rows = z.array(z.object({ tx_hash: z.string(), height: z.number() }))
type Rows = z.infer<typeof rows>
const tipShape = z.object({ height: z.number(), hex: z.string() })

/** Changes the answers to some methods. */
function answering(
  change: (asked: Asked, honest: () => Promise<unknown>, line: Line) => Promise<Answer> | undefined
): Lie {
  return {
    answer: async (asked, honest, line) =>
      await (change(asked, honest, line) ?? honest().then((result) => ({ result })))
  }
}

/** Changes the histories, and each status with them, so that a client asks for the history. */
function withHistories(
  change: (history: Rows, scriptHash: string, line: Line) => Promise<Rows>,
  more: (
    asked: Asked,
    honest: () => Promise<unknown>,
    line: Line
  ) => Promise<Answer> | undefined = () => undefined
): Lie {
  return answering((asked, honest, line) => {
    if (asked.method === HISTORY) {
      return honest().then(async (result) => ({
        result: await change(rows.parse(result), String(asked.params[0]), line)
      }))
    }
    return more(asked, honest, line)
  })
}

async function transactionOf(line: Line, txid: string): Promise<Transaction> {
  return Transaction.fromHex(z.string().parse(await line.ask(RAW, txid)))
}

/** The transactions of a history that spend an output to a script with this hash. */
async function spendsOf(line: Line, history: Rows, scriptHash: string): Promise<Set<string>> {
  const transactions = await Promise.all(
    history.map(async ({ tx_hash: txid }) => await transactionOf(line, txid))
  )
  const paid = new Set(
    transactions.flatMap((tx) =>
      tx.outs.flatMap(({ script }, vout) =>
        scriptHashOf(script) === scriptHash ? `${tx.getId()}:${vout}` : []
      )
    )
  )
  return new Set(
    transactions
      .filter((tx) =>
        tx.ins.some(({ hash, index }) =>
          paid.has(`${Buffer.from(hash).reverse().toString('hex')}:${index}`)
        )
      )
      .map((tx) => tx.getId())
  )
}

/** A channel's funding script is a P2WSH; those of the wallet are not. */
async function isChannel(line: Line, history: Rows, scriptHash: string): Promise<boolean> {
  const [first] = history
  if (first === undefined) return false
  return (await transactionOf(line, first.tx_hash)).outs.some(
    ({ script }) => script.length === 34 && scriptHashOf(script) === scriptHash
  )
}

const invented = new Map<string, string>()

/**
 * A transaction that nobody has signed: it spends what was paid to the script, and pays it a
 * bitcoin.
 */
async function invent(line: Line, history: Rows, scriptHash: string): Promise<Rows> {
  const [first] = history
  if (first === undefined) return history
  const source = await transactionOf(line, first.tx_hash)
  const vout = source.outs.findIndex(({ script }) => scriptHashOf(script) === scriptHash)
  const output = source.outs[vout]
  if (output === undefined) return history
  const made = new Transaction()
  made.version = 3
  made.addInput(source.getHash(), vout, 0xfffffffd)
  made.addOutput(output.script, 100_000_000n)
  invented.set(made.getId(), made.toHex())
  return [...history, { tx_hash: made.getId(), height: 0 }]
}

const isInvented = (asked: Asked): Promise<Answer> | undefined => {
  const raw = asked.method === RAW ? invented.get(String(asked.params[0])) : undefined
  return raw === undefined ? undefined : Promise.resolve({ result: raw })
}

/** As a server that has stopped to follow the chain, three blocks below the tip. */
function stuck(): Lie {
  let frozen: Promise<{ height: number; hex: string }> | undefined
  const freeze = async (line: Line): Promise<{ height: number; hex: string }> => {
    const height = tipShape.parse(await line.ask(HEADERS)).height - 3
    return { height, hex: z.string().parse(await line.ask('blockchain.block.header', height)) }
  }
  return {
    ...withHistories(
      async (history, _script, line) => {
        const { height: last } = await (frozen ??= freeze(line))
        return history.filter(({ height }) => height > 0 && height <= last)
      },
      ({ method }, _honest, line) =>
        method === HEADERS ? (frozen ??= freeze(line)).then((result) => ({ result })) : undefined
    ),
    notification: (asked) => (asked.method === HEADERS ? undefined : asked)
  }
}

export interface Row {
  readonly name: string
  readonly lie: () => Lie
  /** What makes the pool drop it, while another server is there; undefined: it is no reason to. */
  readonly dropped?: string
  /**
   * With nobody else to ask: `truth` all the same; the code of an error, of the watch or of the
   * connection; or `believed`, what cannot be known then.
   */
  readonly alone:
    | 'truth'
    | 'believed'
    | 'ERR_CHAIN_LIED'
    | 'ERR_ELECTRUM_PROTOCOL'
    | 'ERR_CHAIN_UNAVAILABLE'
    | 'ERR_BROADCAST_REFUSED'
}

export const LIES: readonly Row[] = [
  {
    name: 'answers late',
    alone: 'truth',
    lie: () =>
      answering((_asked, honest) =>
        honest().then(async (result) => {
          await new Promise((resolve) => {
            setTimeout(resolve, 100)
          })
          return { result }
        })
      )
  },
  {
    name: 'loses one answer in five',
    alone: 'truth',
    lie: () => {
      const random = seededRandom(5)
      return answering((_asked, honest) =>
        honest().then((result) => ((random.bytes(1)[0] ?? 0) % 5 === 0 ? undefined : { result }))
      )
    }
  },
  {
    name: 'says everything twice',
    alone: 'truth',
    lie: () => ({
      write: (text, line) => {
        line.write(text + text)
      }
    })
  },
  {
    name: 'answers in another order',
    alone: 'truth',
    lie: () => {
      let held: string | undefined
      return {
        write: (text, line) => {
          if (held !== undefined) {
            line.write(text + held)
            held = undefined
          } else {
            held = text
            setTimeout(() => {
              if (held === text) {
                line.write(text)
                held = undefined
              }
            }, 20)
          }
        }
      }
    }
  },
  {
    name: 'cuts lines short',
    alone: 'ERR_ELECTRUM_PROTOCOL',
    lie: () => {
      let n = 0
      return {
        write: (text, line) => {
          line.write(++n < 8 ? text : `${text.slice(0, text.length / 2)}\n`)
        }
      }
    },
    dropped: 'ERR_ELECTRUM_PROTOCOL'
  },
  {
    name: 'hangs',
    alone: 'ERR_CHAIN_UNAVAILABLE',
    lie: () => {
      let n = 0
      return answering(() => (++n < 8 ? undefined : Promise.resolve(undefined)))
    }
  },
  {
    name: 'closes the connection again and again',
    alone: 'truth',
    lie: () => {
      let n = 0
      return {
        write: (text, line) => {
          if (++n % 30 === 0) line.close()
          else line.write(text)
        }
      }
    }
  },
  {
    name: 'floods us with notifications',
    alone: 'truth',
    lie: () => ({
      onConnection: (line) => {
        line.write(
          `${JSON.stringify({ jsonrpc: '2.0', method: SUBSCRIBE, params: ['00'.repeat(32), 'ff'.repeat(32)] })}\n`.repeat(
            5_000
          )
        )
      }
    })
  },
  {
    name: 'answers with garbage',
    alone: 'ERR_ELECTRUM_PROTOCOL',
    lie: () => {
      let n = 0
      return {
        write: (text, line) => {
          line.write(++n < 8 ? text : Uint8Array.from({ length: 500 }, (_, i) => (i * 73) % 256))
          if (n >= 8) line.write('\n')
        }
      }
    },
    dropped: 'ERR_ELECTRUM_PROTOCOL'
  },
  {
    name: 'answers without end',
    alone: 'ERR_ELECTRUM_PROTOCOL',
    lie: () => ({
      write: (text, line) => {
        line.write(text.includes('"result":[') ? 'x'.repeat(11_000_000) : text)
      }
    }),
    dropped: 'ERR_ELECTRUM_PROTOCOL'
  },
  {
    name: 'hides a transaction',
    alone: 'believed',
    lie: () => withHistories(async () => []),
    dropped: 'ERR_CHAIN_LIED'
  },
  {
    name: 'invents a transaction',
    alone: 'ERR_CHAIN_LIED',
    lie: () =>
      withHistories(
        async (history, script, line) => await invent(line, history, script),
        isInvented
      ),
    dropped: 'ERR_CHAIN_LIED'
  },
  {
    name: 'fakes a merkle proof',
    alone: 'ERR_CHAIN_LIED',
    lie: () =>
      answering(({ method }, honest) =>
        method === PROOF
          ? honest().then((result) => ({
              result: {
                ...z.record(z.string(), z.unknown()).parse(result),
                merkle: ['ab'.repeat(32)],
                pos: 0
              }
            }))
          : undefined
      ),
    dropped: 'ERR_CHAIN_LIED'
  },
  {
    name: 'claims a confirmation',
    alone: 'ERR_CHAIN_LIED',
    lie: () =>
      withHistories(
        async (history, _script, line) => {
          const { height } = tipShape.parse(await line.ask(HEADERS))
          return history.map((row) => (row.height > 0 ? row : { ...row, height }))
        },
        ({ method }, honest) =>
          method === PROOF
            ? honest()
                .catch(() => ({ block_height: 1, merkle: [], pos: 0 }))
                .then((result) => ({ result }))
            : undefined
      ),
    dropped: 'ERR_CHAIN_LIED'
  },
  {
    name: 'hides the spend of the funding output',
    alone: 'believed',
    lie: () =>
      withHistories(async (history, script, line) => {
        if (!(await isChannel(line, history, script))) return history
        const spends = await spendsOf(line, history, script)
        return history.filter(({ tx_hash: txid }) => !spends.has(txid))
      }),
    dropped: 'ERR_CHAIN_LIED'
  },
  { name: 'is stuck at an old block', alone: 'believed', lie: stuck, dropped: 'ERR_CHAIN_BEHIND' },
  {
    name: 'accepts a broadcast and does not relay it',
    alone: 'believed',
    lie: () =>
      answering(({ method, params }) =>
        method === BROADCAST
          ? Promise.resolve({ result: Transaction.fromHex(String(params[0])).getId() })
          : undefined
      )
  },
  {
    name: 'refuses every broadcast',
    alone: 'ERR_BROADCAST_REFUSED',
    lie: () =>
      answering(({ method }) =>
        method === BROADCAST
          ? Promise.resolve({
              error:
                'the transaction was rejected by network rules.\n\nmin relay fee not met, 1 < 100000'
            })
          : undefined
      )
  },
  {
    name: 'says that fees are high',
    alone: 'believed',
    lie: () =>
      answering(({ method }) =>
        method === 'blockchain.estimatefee'
          ? Promise.resolve({ result: 0.009 })
          : method === 'mempool.get_fee_histogram'
            ? Promise.resolve({ result: [[900, 9_000_000]] })
            : undefined
      )
  },
  {
    name: 'says that fees are low',
    alone: 'truth',
    lie: () =>
      answering(({ method }) =>
        method === 'blockchain.estimatefee' ? Promise.resolve({ result: 0.00000001 }) : undefined
      )
  }
]
