/** What attacks have brought. */
import type { AttackRecord } from '../adversaries/cheat.js'
import type { SimChain } from '../../testing/chain.js'
import type { Attack } from '../results.js'
import type { ChannelRecord } from './channel-record.js'

export function attacksOf(
  attacks: readonly AttackRecord[],
  chain: SimChain,
  recordOf: (id: AttackRecord['channel']) => ChannelRecord | undefined
): Attack[] {
  return attacks.flatMap((attack) => {
    const record = recordOf(attack.channel)
    if (record?.outPoint === undefined) return []
    const spend = chain.spenderOf(record.outPoint)
    const succeeded = spend?.height !== undefined && attack.txids.has(spend.txid)
    return [
      {
        node: attack.node.name,
        kind: attack.kind,
        channel: record.number,
        height: attack.height,
        profit: succeeded ? attack.gain - spend.fee : 0,
        succeeded
      }
    ]
  })
}
