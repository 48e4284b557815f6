/** The coins of a node, for people: amounts in satoshis, feerates in sat/vB. */
import { outPointFromText } from '../types/bytes.js'
import { sumShown } from '../types/units.js'
import { bidOf, choiceOf, shownRate } from './funding-choice.js'
import { coinInfo, transactionKinds, withRenewals } from './lists.js'
import { amountOf } from './plan-payment.js'
import type { Running } from './running.js'
import { unlessAborted } from './waiting.js'
import type { BumpResult, FeeChoice, WalletApi } from './wallet-api.js'

/** The facet `wallet`; `running` throws while the node is stopped. */
export function walletFacet(running: () => Running): WalletApi {
  return {
    address: async () => await running().wallet.newAddress(),

    balance: async () => {
      const { wallet, engine } = running()
      const { confirmed, pending, reserved, locked, unswept } = wallet.balance()
      const inChannels = engine.inChannels()
      return {
        confirmed,
        pending,
        reserved,
        locked,
        inChannels,
        unwatched: engine.unwatched(),
        unswept,
        total: sumShown([confirmed, pending, inChannels, unswept])
      }
    },

    send: async ({ signal, ...options }) => {
      const { amount } = options
      const wanted =
        amount === undefined ? {} : { amount: amount === 'all' ? amount : amountOf(amount) }
      const { wallet } = running()
      return await unlessAborted(signal, async () =>
        shownRate(await wallet.send({ ...options, ...choiceOf(options), ...wanted }))
      )
    },

    bumpFee: async (txid, { signal, ...choice } = {}) =>
      await unlessAborted(signal, async () => await bumped(running(), txid, choice)),

    coins: async () => running().wallet.coins().map(coinInfo),

    lockCoins: async (coins) => {
      await running().wallet.lockCoins(coins.map(outPointFromText))
    },

    unlockCoins: async (coins) => {
      await running().wallet.unlockCoins(coins.map(outPointFromText))
    },

    transactions: async ({ limit } = {}) => {
      const { wallet, engine, chain } = running()
      const channels = engine.outlines()
      const all = withRenewals(
        wallet.transactions(transactionKinds(channels)),
        channels,
        chain.tip?.height
      )
      return limit === undefined ? all : all.slice(0, limit)
    },

    label: async (of, text) => {
      await running().wallet.label(of, text)
    }
  }
}

async function bumped(
  { engine, wallet, chain }: Running,
  txid: string,
  choice: FeeChoice
): Promise<BumpResult> {
  const ours = await engine.bump(txid, await bidOf(chain, choice))
  return ours === undefined
    ? shownRate(await wallet.bumpFee(txid, choiceOf(choice), engine.fundingOf))
    : { kind: 'replacement', ...shownRate(ours), broadcast: true }
}
