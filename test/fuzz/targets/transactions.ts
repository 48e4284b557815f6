/** Transactions of channels, which inputs begin with. */
import { fromBlock, fromDer } from '../../../src/bitcoin/ecdsa.js'
import { checkFundedPsbt } from '../../../src/bitcoin/funding-psbt.js'
import { isSignedByBoth, signedParts } from '../../../src/bitcoin/funding-spend.js'
import { checkFundingTx, fundingScript, readFunding } from '../../../src/bitcoin/funding.js'
import { isForgedSpend } from '../../../src/bitcoin/owner-spend.js'
import { basePsbt, bytesOfText, parsePsbt, psbtText } from '../../../src/bitcoin/psbt.js'
import { parseRefundRequest } from '../../../src/bitcoin/refund.js'
import { checkRenewalTx } from '../../../src/bitcoin/renewal.js'
import { p2wsh } from '../../../src/bitcoin/scripts.js'
import { signedFunding } from '../../../src/bitcoin/signed-funding.js'
import { parseTransaction } from '../../../src/bitcoin/transaction.js'
import { blockHeight, feeRate, satoshi } from '../../../src/types/units.js'
import { keyPair, type Side } from '../../channel/side.js'
import { World } from '../../channel/world.js'
import { OutsideWallet } from '../../outside-wallet.js'
import { neverThrows, type Target, text, unlessRefused, utf8 } from '../fuzzer.js'

let worlds: { readonly oneWay: World; readonly twoWay: World; readonly renewed: World } | undefined

/** Channels in the middle of their lives, opened once. */
export function channels(): NonNullable<typeof worlds> {
  if (worlds !== undefined) return worlds
  const oneWay = new World({ capacity: 10_000n }).open().paid(5_000n)
  const twoWay = new World({ step: 20 })
    .open()
    .paidBy('client', 40_000n)
    .paidBy('server', 15_000n)
    .paidBy('client', 1_000n)
  const old = new World().open().paid(20_000n)
  const renewed = new World({ renews: { world: old } }).open()
  worlds = { oneWay, twoWay, renewed }
  return worlds
}

/** Every side of every channel. */
export function sides(): readonly [Side, ...Side[]] {
  const { oneWay, twoWay, renewed } = channels()
  return [
    oneWay.client,
    oneWay.server,
    twoWay.client,
    twoWay.server,
    renewed.client,
    renewed.server
  ]
}

let published: readonly Uint8Array[] | undefined

/** T1, T2, T3 and a close, signed. */
export function transactions(): readonly Uint8Array[] {
  published ??= ends()
  return published
}

function ends(): readonly Uint8Array[] {
  const settled = new World().open().paid(20_000n)
  settled.server.post({ type: 'settle' })
  const refunded = new World({ blocks: 120 }).open().paid(20_000n)
  refunded.kill('server')
  while (refunded.chain.height <= refunded.client.established.terms.refundHeight) refunded.mine()
  const closed = new World().open().paid(20_000n)
  closed.client.post({ type: 'close' })
  closed.run()
  return [settled, refunded, closed].flatMap(({ client, server }) =>
    [client, server].flatMap(({ effects }) =>
      effects.flatMap((effect) => (effect.type === 'broadcast' ? [effect.raw] : []))
    )
  )
}

/* Transactions, witnesses and signatures, as peers and servers send them. */

export const BITCOIN: Target = {
  name: 'bitcoin',
  seeds: transactions,
  run: (input) => {
    const { funding, fundingScript } = channels().oneWay
    const parsed = unlessRefused(() => parseTransaction(input))
    const outPoint = parsed?.inputs[0]?.outPoint ?? funding.outPoint
    if (parsed !== undefined) {
      neverThrows('what a transaction says', () => [
        parsed.spends(outPoint),
        parsed.vsize,
        parsed.paidTo(),
        parsed.sighash(0, fundingScript, funding.value, input.at(-1) ?? 0),
        parsed.withWitnesses()
      ])
      neverThrows('isSignedByBoth', () =>
        isSignedByBoth(parsed, { ...funding, outPoint }, () => true)
      )
      neverThrows('signedParts', () => signedParts(parsed, outPoint))
      neverThrows('isForgedSpend', () =>
        parsed.inputs.map(({ witness }, index) =>
          isForgedSpend(
            parsed,
            index,
            { script: p2wsh(witness.at(-1) ?? input), value: funding.value },
            () => true
          )
        )
      )
    }
    for (const read of [
      () => fromDer(input),
      () => fromBlock(input),
      () =>
        checkFundingTx(readFunding(input), {
          outPoint: funding.outPoint,
          script: fundingScript,
          capacity: funding.value
        }),
      () => parseRefundRequest(input, { version: 3, refundHeight: blockHeight(700) }),
      () =>
        checkRenewalTx(parseTransaction(input), { ...funding, outPoint }, [input], {
          height: blockHeight(700),
          lastPaymentHeight: blockHeight(1_000),
          leastRate: feeRate(1_000n),
          mostRate: feeRate(20_000n)
        })
    ]) {
      unlessRefused<unknown>(read)
    }
  }
}

/* PSBTs of outside wallets. */

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
