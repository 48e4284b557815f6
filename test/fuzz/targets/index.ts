/** Everything that reads what others made. */
import type { Target } from '../fuzzer.js'
import { BITCOIN, PSBTS } from './transactions.js'
import { CHAIN, ELECTRUM } from './chain.js'
import { MESSAGES, REQUESTS, TEXTS, WIRE } from './messages.js'
import { RECORDS, WALLET } from './records.js'
import { SPENDS } from './spends.js'

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
