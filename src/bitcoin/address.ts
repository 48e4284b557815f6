/**
 * Addresses and the scriptPubKeys that have one.
 */
import {
  address as addresses,
  type Network as BitcoinjsNetwork,
  networks,
  opcodes
} from 'bitcoinjs-lib'
import type { Network } from '../../protocols/paychan/1.0/messages.js'
import { toHex } from '../types/bytes.js'
import { PaychanError } from '../types/errors.js'
import { NETWORKS } from './network-names.js'

/*
 * The differences between Bitcoin's networks: address prefixes, the genesis block, the BIP44 coin
 * type.
 */

/** The parameters of one network, after `CChainParams` of Bitcoin Core's kernel/chainparams.cpp. */
interface NetworkParams {
  readonly network: Network
  /** The human-readable part of SegWit addresses (BIP173). */
  readonly bech32: string
  /** The hash of block 0 as people write it: 64 hex digits, byte order reversed. */
  readonly genesisHash: string
  /** SLIP-44: 0 for bitcoin, 1 for every test network; the second level of a BIP84 path. */
  readonly coinType: number
  readonly bitcoinjs: BitcoinjsNetwork
}

const PARAMS: Readonly<Record<Network, NetworkParams>> = {
  mainnet: {
    network: 'mainnet',
    bech32: 'bc',
    genesisHash: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f',
    coinType: 0,
    bitcoinjs: networks.bitcoin
  },
  // Testnet 3, which Bitcoin Core calls `test` and is about to give up.
  testnet: {
    network: 'testnet',
    bech32: 'tb',
    genesisHash: '000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943',
    coinType: 1,
    bitcoinjs: networks.testnet
  },
  // BIP94, the successor of testnet 3. Its addresses look the same.
  testnet4: {
    network: 'testnet4',
    bech32: 'tb',
    genesisHash: '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043',
    coinType: 1,
    bitcoinjs: networks.testnet
  },
  // BIP325: the default signet. Its addresses look like those of testnet.
  signet: {
    network: 'signet',
    bech32: 'tb',
    genesisHash: '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6',
    coinType: 1,
    bitcoinjs: networks.testnet
  },
  regtest: {
    network: 'regtest',
    bech32: 'bcrt',
    genesisHash: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206',
    coinType: 1,
    bitcoinjs: networks.regtest
  }
}

/** The parameters of a network. */
export function networkParams(network: Network): NetworkParams {
  return PARAMS[network]
}

/* The scriptPubKeys that have an address: their forms, and the forms that Bitcoin Core relays. */

const {
  OP_0,
  OP_1,
  OP_16,
  OP_DUP,
  OP_HASH160,
  OP_EQUALVERIFY,
  OP_CHECKSIG,
  OP_EQUAL
}: Readonly<Record<keyof typeof opcodes, number>> = opcodes

/** The payee of a scriptPubKey of a known form. */
type Destination =
  | { readonly kind: 'p2pkh' | 'p2sh'; readonly hash: Uint8Array }
  | { readonly kind: 'witness'; readonly version: number; readonly program: Uint8Array }

/** Makes the scriptPubKey that pays to a destination. */
export function scriptOf(to: Destination): Uint8Array {
  switch (to.kind) {
    case 'p2pkh':
      return Uint8Array.from([OP_DUP, OP_HASH160, 20, ...to.hash, OP_EQUALVERIFY, OP_CHECKSIG])
    case 'p2sh':
      return Uint8Array.from([OP_HASH160, 20, ...to.hash, OP_EQUAL])
    case 'witness':
      return Uint8Array.from([
        to.version === 0 ? OP_0 : OP_1 - 1 + to.version,
        to.program.length,
        ...to.program
      ])
  }
}

/** Finds the destination of a scriptPubKey; undefined when it has another form. */
export function destinationOf(script: Uint8Array): Destination | undefined {
  const witness = witnessProgram(script)
  if (witness !== undefined) return { kind: 'witness', ...witness }
  if (
    script.length === 25 &&
    starts(script, OP_DUP, OP_HASH160, 20) &&
    script[23] === OP_EQUALVERIFY &&
    script[24] === OP_CHECKSIG
  ) {
    return { kind: 'p2pkh', hash: script.slice(3, 23) }
  }
  if (script.length === 23 && starts(script, OP_HASH160, 20) && script[22] === OP_EQUAL) {
    return { kind: 'p2sh', hash: script.slice(2, 22) }
  }
  return undefined
}

/**
 * Version and program of a witness program, after `CScript::IsWitnessProgram` of Bitcoin Core:
 * OP_0 or OP_1 to OP_16, then one direct push of 2 to 40 bytes, and nothing else.
 */
export function witnessProgram(
  script: Uint8Array
): { version: number; program: Uint8Array } | undefined {
  const [opcode, length] = script
  if (opcode === undefined || length === undefined || script.length < 4 || script.length > 42) {
    return undefined
  }
  if (opcode !== OP_0 && (opcode < OP_1 || opcode > OP_16)) return undefined
  if (length + 2 !== script.length) return undefined
  return { version: opcode === OP_0 ? 0 : opcode - OP_1 + 1, program: script.slice(2) }
}

/**
 * True when Bitcoin Core relays an output to this script and the script has an address: P2PKH,
 * P2SH, and witness programs as `Solver` of script/solver.cpp sorts them, which are version 0 with
 * 20 or 32 bytes, and every program of version 1 to 16 (`WITNESS_V1_TAPROOT`, `ANCHOR`,
 * `WITNESS_UNKNOWN`). A version 0 program of another length could never be spent. Bare keys, bare
 * multisig and data outputs are relayed too, but nobody has to accept them here.
 */
export function isStandardScript(script: Uint8Array): boolean {
  const to = destinationOf(script)
  if (to === undefined) return false
  return (
    to.kind !== 'witness' ||
    to.version !== 0 ||
    to.program.length === 20 ||
    to.program.length === 32
  )
}

function starts(script: Uint8Array, ...bytes: number[]): boolean {
  return bytes.every((byte, i) => script[i] === byte)
}

/*
 * Addresses to scripts and back: Base58Check (P2PKH, P2SH), Bech32 (BIP173) and Bech32m (BIP350).
 */

/** BIP173: the longest Bech32 address. Base58 addresses have at most 35 characters. */
const MAX_ADDRESS_LENGTH = 90

interface Decoded {
  readonly script: Uint8Array
  readonly networks: readonly Network[]
}

/**
 * The address of a scriptPubKey.
 *
 * @throws PaychanError `ERR_NO_ADDRESS` when the script has a form that no address stands for.
 */
export function addressFromScript(script: Uint8Array, network: Network): string {
  const to = destinationOf(script)
  if (to === undefined || !isStandardScript(script)) {
    throw new PaychanError('ERR_NO_ADDRESS', `The script ${toHex(script)} has no address.`, {
      script: toHex(script)
    })
  }
  const { bech32, bitcoinjs } = networkParams(network)
  switch (to.kind) {
    case 'p2pkh':
      return addresses.toBase58Check(to.hash, bitcoinjs.pubKeyHash)
    case 'p2sh':
      return addresses.toBase58Check(to.hash, bitcoinjs.scriptHash)
    case 'witness':
      return addresses.toBech32(to.program, to.version, bech32)
  }
}

/**
 * The scriptPubKey that an address stands for.
 *
 * @throws PaychanError `ERR_INVALID_ADDRESS` when it is not an address, or is of another network.
 */
export function scriptFromAddress(address: string, network: Network): Uint8Array {
  const decoded =
    address.length > MAX_ADDRESS_LENGTH
      ? undefined
      : (decodeBech32(address) ?? decodeBase58(address))
  if (decoded === undefined || !isStandardScript(decoded.script)) {
    const shown =
      address.length > MAX_ADDRESS_LENGTH ? `${address.slice(0, MAX_ADDRESS_LENGTH)}...` : address
    throw new PaychanError(
      'ERR_INVALID_ADDRESS',
      `'${shown}' is not a Bitcoin address: check it for a missing or mistyped character.`,
      { address: shown }
    )
  }
  if (!decoded.networks.includes(network)) {
    throw new PaychanError(
      'ERR_INVALID_ADDRESS',
      `'${address}' is an address of ${decoded.networks.join(', ').replace(/, (?=[^,]*$)/, ' or ')}, but this is ${network}: ask for one that starts with ${networkParams(network).bech32}1.`,
      { address, network }
    )
  }
  return decoded.script
}

function decodeBech32(address: string): Decoded | undefined {
  const decoded = attempt(() => addresses.fromBech32(address))
  if (decoded === undefined) return undefined
  const networks = NETWORKS.filter((network) => networkParams(network).bech32 === decoded.prefix)
  if (networks.length === 0) return undefined
  return {
    script: scriptOf({ kind: 'witness', version: decoded.version, program: decoded.data }),
    networks
  }
}

function decodeBase58(address: string): Decoded | undefined {
  const decoded = attempt(() => addresses.fromBase58Check(address))
  if (decoded === undefined) return undefined
  const { version, hash } = decoded
  for (const kind of ['p2pkh', 'p2sh'] as const) {
    const networks = NETWORKS.filter((network) => {
      const { pubKeyHash, scriptHash } = networkParams(network).bitcoinjs
      return version === (kind === 'p2pkh' ? pubKeyHash : scriptHash)
    })
    if (networks.length > 0) return { script: scriptOf({ kind, hash }), networks }
  }
  return undefined
}

/**
 * Replaces the decoders' errors, one for each typing mistake, by undefined: a person needs only one
 * error.
 */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode()
  } catch {
    return undefined
  }
}
