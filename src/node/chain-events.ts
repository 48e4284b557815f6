/** What a node tells of its chain. */
import type { ElectrumChain } from '../chain/chain.js'
import type { Clock, Unsubscribe } from '../engine/ports.js'
import type { NodeEvent } from './api.js'
import { HistoryProgress } from './history-progress.js'

/**
 * Tells of every tip and status, of a chain that is another one than before, and of histories that
 * take long to read; until it is stopped.
 */
export function tellOfChain(
  chain: ElectrumChain,
  clock: Clock,
  emit: (event: NodeEvent) => void
): Unsubscribe {
  const tell = (): void => {
    emit({
      type: 'chain',
      status: chain.status,
      height: chain.tip?.height,
      reason: chain.status === 'synced' ? undefined : chain.lastError
    })
    if (chain.status === 'down' && chain.lastErrorCode === 'ERR_WRONG_CHAIN') {
      emit({
        type: 'alarm',
        code: 'ERR_WRONG_CHAIN',
        text: chain.lastError ?? '',
        channel: undefined
      })
    }
  }
  chain.onTip(tell)
  chain.onStatus(tell)
  const progress = new HistoryProgress(chain, clock, emit)
  return () => {
    progress.stop()
  }
}
