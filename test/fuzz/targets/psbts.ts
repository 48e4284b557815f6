/** PSBTs of outside wallets. */
import { checkFundedPsbt } from '../../../src/bitcoin/funding-psbt.js'
import { basePsbt, bytesOfText, parsePsbt, psbtText } from '../../../src/bitcoin/psbt.js'
import { signedFunding } from '../../../src/bitcoin/signed-funding.js'
import { fundingScript } from '../../../src/bitcoin/funding.js'
import { blockHeight, feeRate, satoshi } from '../../../src/types/units.js'
import { keyPair } from '../../channel/keys.js'
import { OutsideWallet } from '../../outside-wallet.js'
import { text, unlessRefused, utf8, type Target } from '../target.js'

const CAPACITY = satoshi(100_000n)
const SCRIPT = fundingScript(keyPair('client').publicKey, keyPair('server').publicKey)

let made:
  | {
      readonly funded: Uint8Array
      readonly signed: Uint8Array
      readonly raw: Uint8Array
      readonly id: string
    }
  | undefined

function psbts(): NonNullable<typeof made> {
  if (made !== undefined) return made
  const wallet = new OutsideWallet()
  const funded = wallet
    .fund(
      [{ txid: 'c0'.repeat(32), vout: 1, value: 300_000n }],
      [{ script: SCRIPT, amount: CAPACITY }],
      { coinType: 1 }
    )
    .toPSBT(0)
  const signed = wallet.sign(funded)
  made = {
    funded,
    signed: wallet.sign(funded, { finalize: false }).toPSBT(0),
    raw: signed.extract(),
    id: signed.id
  }
  return made
}

export const PSBTS: Target = {
  name: 'psbts',
  seeds: () => {
    const { funded, signed, raw } = psbts()
    return [
      funded,
      signed,
      raw,
      basePsbt(SCRIPT, CAPACITY),
      utf8(psbtText(funded)),
      utf8(psbtText(signed))
    ]
  },
  run: (input) => {
    const { funded, id } = psbts()
    const order = {
      psbt: funded,
      outPoint: { txid: id as never, vout: 0 },
      script: SCRIPT,
      capacity: CAPACITY,
      verify: () => true
    }
    const demand = {
      network: 'regtest',
      script: SCRIPT,
      capacity: CAPACITY,
      height: blockHeight(500),
      leastRate: feeRate(1_000n)
    } as const
    for (const bytes of [input, unlessRefused(() => bytesOfText(text(input)))]) {
      if (bytes === undefined) continue
      for (const read of [
        () => parsePsbt(bytes),
        () => checkFundedPsbt(bytes, demand),
        () => signedFunding(bytes, order),
        () =>
          signedFunding(bytes, {
            ...order,
            outPoint: {
              ...order.outPoint,
              txid: unlessRefused(() => parsePsbt(bytes))?.transaction.txid ?? order.outPoint.txid
            }
          })
      ]) {
        unlessRefused<unknown>(read)
      }
    }
  }
}
