/** Everything that reads what others made. */
import type { Target } from '../fuzzer.js'
import { BITCOIN, PSBTS } from './transactions.js'
import { CHAIN } from './chain.js'
import { ELECTRUM } from './electrum.js'
import { MESSAGES, WIRE } from './messages.js'
import { RECORDS } from './records.js'
import { REQUESTS } from './requests.js'
import { SPENDS } from './spends.js'
import { TEXTS } from './texts.js'
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
