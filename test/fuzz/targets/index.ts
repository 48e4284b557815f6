/** Everything that reads what others made. */
import type { Target } from '../fuzzer.js'
import { BITCOIN, PSBTS } from './transactions.js'
import { CHAIN } from './chain.js'
import { ELECTRUM } from './electrum.js'
import { MESSAGES, REQUESTS, TEXTS, WIRE } from './messages.js'
import { RECORDS } from './records.js'
import { SPENDS } from './spends.js'
import { WALLET } from './wallet.js'

export const TARGETS: readonly Target[] = [
  BITCOIN,
  SPENDS,
  CHAIN,
  WALLET,
  ELECTRUM,
  WIRE,
  MESSAGES,
  PSBTS,
  TEXTS,
  REQUESTS,
  RECORDS
]
