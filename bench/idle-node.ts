/** The node of idle channels: its engine, and a chain at a port of this machine. */
import { setTimeout as wait } from 'node:timers/promises'
import { createElectrumChain, type ElectrumChain } from '../src/chain/chain.js'
import { Engine } from '../src/engine/engine.js'
import { systemClock, systemRandom } from '../src/node/system.js'
import { openLevelStore } from '../src/store/level.js'
import { SimChain } from '../src/testing/chain.js'
import { SimNetwork } from '../src/testing/network.js'
import { Purses } from '../src/testing/wallet.js'
import { feeRate } from '../src/types/units.js'
import { peerName, serverPolicy, signerOf, walletOn } from './idle-channels.js'

const LOOK_AGAIN_MS = 20

export function chainAt(port: number): ElectrumChain {
  return createElectrumChain({
    url: `tcp://127.0.0.1:${port}`,
    network: 'regtest',
    clock: systemClock,
    random: systemRandom,
    timeouts: { retryFirst: 5, retryMost: 50 }
  })
}

/** An engine with all channels of a store, whose chain is at a port of this machine. */
export interface StartedEngine {
  readonly engine: Engine
  readonly chain: ElectrumChain
  readonly stop: () => Promise<void>
}

export async function startEngine(directory: string, port: number): Promise<StartedEngine> {
  const store = await openLevelStore(directory)
  const chain = chainAt(port)
  const virtual = new SimChain()
  const engine = new Engine({
    network: 'regtest',
    policy: serverPolicy(),
    store,
    chain,
    peers: new SimNetwork().peer(peerName(0)),
    wallet: walletOn(virtual, new Purses(virtual), peerName(0)),
    signer: signerOf(peerName(0)),
    clock: systemClock,
    random: systemRandom,
    initialFeeRate: feeRate(1_000n),
    onEvent: (event) => {
      if (event.type === 'alarm' && event.code !== 'ERR_NO_FEE_ESTIMATE') {
        throw new Error(event.text)
      }
    }
  })
  await engine.start()
  await chain.start()
  const stop = async (): Promise<void> => {
    await engine.stop()
    await chain.stop()
    await store.close()
  }
  return { engine, chain, stop }
}

/** Until the histories of all scripts are known. */
export async function allKnown(
  chain: ElectrumChain,
  scripts: number,
  tell: (known: number) => void = () => {}
): Promise<void> {
  for (let known = 0; known < scripts;) {
    await wait(LOOK_AGAIN_MS)
    known = chain.watches.known
    tell(known)
  }
}
