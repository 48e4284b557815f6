import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NETWORKS } from '../../src/bitcoin/network-names.js'
import { addressFromScript } from '../../src/bitcoin/address.js'
import {
  formatBitcoinUri,
  isBitcoinUri,
  parseBitcoinUri,
  requestOfUri
} from '../../src/bitcoin/uri.js'
import { MAX_URI_LENGTH } from '../../src/bitcoin/uri-length.js'
import { MAX_MONEY, satoshi } from '../../src/types/units.js'
import { P2PKH, P2TR, P2WSH, p2wpkh, refuses } from './support.js'

const OURS = addressFromScript(p2wpkh(), 'regtest')
const TAPROOT = addressFromScript(P2TR, 'regtest')
const LEGACY = addressFromScript(P2PKH, 'regtest')
const MAINNET = addressFromScript(P2WSH, 'mainnet')
const MAINNET_LEGACY = addressFromScript(P2PKH, 'mainnet')
const TESTNET = addressFromScript(P2WSH, 'testnet')

describe('bitcoin / uri', () => {
  const accepted: ReadonlyArray<
    readonly [
      what: string,
      uri: string,
      address: string,
      amount?: bigint | undefined,
      label?: string,
      message?: string
    ]
  > = [
    ['an address alone', `bitcoin:${OURS}`, OURS],
    ['an address of the old kind', `bitcoin:${LEGACY}`, LEGACY],
    ['a question mark with nothing behind it', `bitcoin:${OURS}?`, OURS],
    [
      'all that there can be',
      `bitcoin:${OURS}?amount=20.3&label=Luke-Jr&message=Donation%20for%20project%20xyz`,
      OURS,
      2_030_000_000n,
      'Luke-Jr',
      'Donation for project xyz'
    ],
    ['a scheme in any letters', `BitCoin:${OURS}`, OURS],
    [
      'everything in capitals, as in a QR code',
      `BITCOIN:${OURS.toUpperCase()}?AMOUNT=0.001&LABEL=RENT`,
      OURS,
      100_000n,
      'RENT'
    ],
    ['whole bitcoin', `bitcoin:${OURS}?amount=50`, OURS, 5_000_000_000n],
    ['zeros at the end', `bitcoin:${OURS}?amount=50.00`, OURS, 5_000_000_000n],
    ['a period at the end', `bitcoin:${OURS}?amount=50.`, OURS, 5_000_000_000n],
    ['a period at the beginning', `bitcoin:${OURS}?amount=.5`, OURS, 50_000_000n],
    ['a single satoshi', `bitcoin:${OURS}?amount=0.00000001`, OURS, 1n],
    [
      'what a float cannot hold',
      `bitcoin:${OURS}?amount=20999999.97690001`,
      OURS,
      2_099_999_997_690_001n
    ],
    [
      'letters of all the world',
      `bitcoin:${OURS}?label=B%C3%A4r%20%F0%9F%90%BB`,
      OURS,
      undefined,
      'Bär 🐻'
    ],
    ['a plus sign, which is no space', `bitcoin:${OURS}?label=a+b`, OURS, undefined, 'a+b'],
    ['an encoded separator', `bitcoin:${OURS}?label=a%26b%3Dc`, OURS, undefined, 'a&b=c'],
    [
      'what it does not know',
      `bitcoin:${OURS}?somethingyoudontunderstand=50&pj=https://example.org/?x=1&flag`,
      OURS
    ],
    ['what it does not know twice', `bitcoin:${OURS}?x=1&x=2`, OURS],
    ['empty parameters', `bitcoin:${OURS}?&&amount=1&`, OURS, 100_000_000n],
    ['an address as a parameter', `bitcoin:?bcrt=${OURS}`, OURS],
    ['an address as a parameter in capitals', `BITCOIN:?BCRT=${OURS.toUpperCase()}`, OURS],
    [
      'several addresses as parameters: the first',
      `bitcoin:?bcrt=${TAPROOT}&bcrt=${OURS}`,
      TAPROOT
    ],
    [
      'addresses of several networks: the one of ours',
      `bitcoin:?bc=${MAINNET}&tb=${TESTNET}&bcrt=${OURS}`,
      OURS
    ],
    [
      'an address of another network beside one of ours',
      `bitcoin:${MAINNET_LEGACY}?bcrt=${OURS}`,
      OURS
    ],
    ['an address of ours beside another of ours', `bitcoin:${LEGACY}?bcrt=${OURS}`, LEGACY],
    ['space around it', ` bitcoin:${OURS}\n`, OURS]
  ]
  for (const [what, uri, address, amount, label, message] of accepted) {
    it(`accepts ${what}`, () => {
      assert.equal(isBitcoinUri(uri), true)
      assert.deepEqual(parseBitcoinUri(uri, 'regtest'), { address, amount, label, message })
    })
  }

  const refused: ReadonlyArray<
    readonly [what: string, uri: string, code: string, sentence: RegExp]
  > = [
    ['another scheme', `litecoin:${OURS}`, 'ERR_INVALID_URI', /begin with bitcoin:/],
    ['an address without a scheme', OURS, 'ERR_INVALID_URI', /begin with bitcoin:/],
    [
      'what requires something unknown',
      `bitcoin:${OURS}?req-somethingyoudontunderstand=50`,
      'ERR_URI_UNSUPPORTED',
      /requires 'req-somethingyoudontunderstand'/
    ],
    [
      'what requires something unknown in capitals',
      `bitcoin:${OURS}?REQ-POP=x`,
      'ERR_URI_UNSUPPORTED',
      /req-pop/
    ],
    [
      'what hides that it requires something',
      `bitcoin:${OURS}?%72eq-x=1`,
      'ERR_URI_UNSUPPORTED',
      /req-x/
    ],
    ['no address', 'bitcoin:', 'ERR_URI_UNSUPPORTED', /no address/],
    [
      'no address but another way to pay',
      'bitcoin:?lightning=lnbc1',
      'ERR_URI_UNSUPPORTED',
      /no address/
    ],
    [
      'an address of another network',
      `bitcoin:${MAINNET}`,
      'ERR_INVALID_ADDRESS',
      /address of mainnet, but this is regtest/
    ],
    [
      'only parameters of another network',
      `bitcoin:?bc=${MAINNET}`,
      'ERR_INVALID_ADDRESS',
      /address of mainnet, but this is regtest/
    ],
    ['an address with a slip', `bitcoin:${OURS.slice(0, -1)}x`, 'ERR_INVALID_ADDRESS', /./],
    [
      'an address with a slip, whatever is beside it',
      `bitcoin:${OURS.slice(0, -1)}?bcrt=${OURS}`,
      'ERR_INVALID_ADDRESS',
      /./
    ],
    ['a parameter with a slip', `bitcoin:?bcrt=${OURS.slice(0, -1)}`, 'ERR_INVALID_ADDRESS', /./],
    [
      'a parameter with an address of another kind',
      `bitcoin:?bcrt=${LEGACY}`,
      'ERR_INVALID_ADDRESS',
      /not an address that starts with bcrt1/
    ],
    ['slashes, as a web address has them', `bitcoin://${OURS}`, 'ERR_INVALID_ADDRESS', /./],
    ['two amounts', `bitcoin:${OURS}?amount=42&amount=10`, 'ERR_INVALID_URI', /'amount' twice/],
    [
      'the same amount twice',
      `bitcoin:${OURS}?amount=42&AMOUNT=42`,
      'ERR_INVALID_URI',
      /'amount' twice/
    ],
    ['two labels', `bitcoin:${OURS}?label=a&label=b`, 'ERR_INVALID_URI', /'label' twice/],
    ['two messages', `bitcoin:${OURS}?message=a&message=b`, 'ERR_INVALID_URI', /'message' twice/],
    ['an exponent', `bitcoin:${OURS}?amount=1e-3`, 'ERR_INVALID_AMOUNT', /not an amount/],
    ['a comma', `bitcoin:${OURS}?amount=50,000.00`, 'ERR_INVALID_AMOUNT', /not an amount/],
    ['a sign', `bitcoin:${OURS}?amount=-1`, 'ERR_INVALID_AMOUNT', /not an amount/],
    ['a unit', `bitcoin:${OURS}?amount=1btc`, 'ERR_INVALID_AMOUNT', /not an amount/],
    ['a hexadecimal number', `bitcoin:${OURS}?amount=0x10`, 'ERR_INVALID_AMOUNT', /not an amount/],
    ['an empty amount', `bitcoin:${OURS}?amount=`, 'ERR_INVALID_AMOUNT', /not an amount/],
    ['a lone period', `bitcoin:${OURS}?amount=.`, 'ERR_INVALID_AMOUNT', /not an amount/],
    ['nine decimals', `bitcoin:${OURS}?amount=0.000000001`, 'ERR_INVALID_AMOUNT', /8 decimals/],
    ['nothing', `bitcoin:${OURS}?amount=0.00`, 'ERR_INVALID_AMOUNT', /amount is 0/],
    [
      'more than there is',
      `bitcoin:${OURS}?amount=21000000.00000001`,
      'ERR_INVALID_AMOUNT',
      /between 0 and/
    ],
    [
      'a space that is not encoded',
      `bitcoin:${OURS}?label=my shop`,
      'ERR_INVALID_URI',
      /percent-encoded/
    ],
    [
      'a letter that is not encoded',
      `bitcoin:${OURS}?label=Bär`,
      'ERR_INVALID_URI',
      /percent-encoded/
    ],
    ['half an escape', `bitcoin:${OURS}?label=100%`, 'ERR_INVALID_URI', /percent-encoded/],
    ['bytes that are no UTF-8', `bitcoin:${OURS}?message=%C3%28`, 'ERR_INVALID_URI', /UTF-8/],
    [
      'a second equals sign in what it reads',
      `bitcoin:${OURS}?label=a=b`,
      'ERR_INVALID_URI',
      /percent-encoded/
    ],
    [
      'what is too long to be meant',
      `bitcoin:${OURS}?x=${'a'.repeat(MAX_URI_LENGTH)}`,
      'ERR_INVALID_URI',
      /8192 are the most/
    ]
  ]
  for (const [what, uri, code, sentence] of refused) {
    it(`refuses ${what}`, () => {
      refuses(() => parseBitcoinUri(uri, 'regtest'), code, sentence)
    })
  }

  it('takes testnet addresses on signet, which share their prefix', () => {
    assert.equal(parseBitcoinUri(`bitcoin:?tb=${TESTNET}`, 'signet').address, TESTNET)
  })

  it('writes what it was given, the amount without zeros at its end', () => {
    assert.equal(formatBitcoinUri({ address: OURS }), `bitcoin:${OURS}`)
    assert.equal(
      formatBitcoinUri({
        address: OURS,
        amount: satoshi(100_000n),
        label: 'a & b',
        message: 'für = 1?'
      }),
      `bitcoin:${OURS}?amount=0.001&label=a%20%26%20b&message=f%C3%BCr%20%3D%201%3F`
    )
    assert.equal(
      formatBitcoinUri({ address: OURS, amount: satoshi(300_000_000n) }),
      `bitcoin:${OURS}?amount=3`
    )
    refuses(
      () => formatBitcoinUri({ address: OURS, message: 'x'.repeat(MAX_URI_LENGTH) }),
      'ERR_INVALID_URI',
      /shorten/
    )
    refuses(
      () => formatBitcoinUri({ address: OURS, label: '\ud800' }),
      'ERR_INVALID_URI',
      /Unicode/
    )
  })

  it('reads what it has written, in every network and with every amount and text', () => {
    const text = fc.option(fc.string({ unit: 'grapheme', maxLength: 40 }), { nil: undefined })
    const amount = fc.option(fc.bigInt({ min: 1n, max: MAX_MONEY }).map(satoshi), {
      nil: undefined
    })
    fc.assert(
      fc.property(
        fc.constantFrom(...NETWORKS),
        fc.constantFrom(P2PKH, P2WSH, P2TR),
        amount,
        text,
        text,
        (network, script, amount, label, message) => {
          const uri = { address: addressFromScript(script, network), amount, label, message }
          assert.deepEqual(parseBitcoinUri(formatBitcoinUri(uri), network), uri)
        }
      )
    )
  })

  it('answers every text with a URI or a PaychanError', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        try {
          parseBitcoinUri(`bitcoin:${OURS}?${text}`, 'regtest')
        } catch (error) {
          assert.match(
            String((error as { code?: string }).code),
            /^ERR_(INVALID_URI|INVALID_AMOUNT|INVALID_ADDRESS|URI_UNSUPPORTED)$/
          )
        }
      })
    )
  })

  it('is written as long as it can be read, and not one character longer', () => {
    const address = OURS
    const bare = formatBitcoinUri({ address, label: 'x' }).length - 1
    const labelled = (length: number): string =>
      formatBitcoinUri({ address, label: 'x'.repeat(length - bare) })
    assert.equal(labelled(MAX_URI_LENGTH).length, MAX_URI_LENGTH)
    assert.equal(parseBitcoinUri(labelled(MAX_URI_LENGTH), 'regtest').address, address)
    refuses(() => labelled(MAX_URI_LENGTH + 1), 'ERR_INVALID_URI')
  })

  it('tells the payment request that it carries, if there is one', () => {
    assert.deepEqual(
      [
        'bitcoin:?paychan=paychan1abc',
        `bitcoin:${OURS}?label=x`,
        'paychan1abc',
        'https://shop.example/?paychan=paychan1abc'
      ].map(requestOfUri),
      ['paychan1abc', undefined, undefined, undefined]
    )
    assert.throws(() => parseBitcoinUri('bitcoin:?paychan=paychan1abc', 'regtest'), {
      code: 'ERR_URI_UNSUPPORTED',
      facts: { parameter: 'paychan' },
      message: /asks to be paid on a channel/
    })
  })
})
