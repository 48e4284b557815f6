/** Everything that reads what others made. */
import type { Target } from '../target.js'
import { BITCOIN } from './bitcoin.js'
import { CHAIN } from './chain.js'
import { ELECTRUM } from './electrum.js'
import { MESSAGES } from './messages.js'
import { PSBTS } from './psbts.js'
import { RECORDS } from './records.js'
import { SPENDS } from './spends.js'
import { TEXTS } from './texts.js'
import { WALLET } from './wallet.js'
import { WIRE } from './wire.js'

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
  RECORDS
]
