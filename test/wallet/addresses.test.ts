/** BIP84, by its own test vectors. */
import assert from 'node:assert/strict'
import { addressFromScript } from '../../src/bitcoin/address.js'
import { toHex } from '../../src/types/bytes.js'
import { AddressBook, GAP } from '../../src/wallet/addresses.js'
import { rootFromWords } from '../../src/bitcoin/seed.js'

const root = rootFromWords(`${'abandon '.repeat(11)}about`)

describe('addresses', () => {
  it('are those of BIP84', () => {
    const book = new AddressBook(root, 'mainnet')
    const address = (branch: 'receive' | 'change', index: number): string =>
      addressFromScript(book.at(branch, index).scriptPubKey, 'mainnet')
    assert.equal(address('receive', 0), 'bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu')
    assert.equal(address('receive', 1), 'bc1qnjg0jd8228aq7egyzacy8cys3knf9xvrerkf9g')
    assert.equal(address('change', 0), 'bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el')
  })

  it("have their keys at m/84'/coin'/0'/branch/index", () => {
    const book = new AddressBook(root, 'regtest')
    assert.deepEqual(book.secret(book.at('receive', 3)), root.derive("m/84'/1'/0'/0/3").privateKey)
    assert.deepEqual(book.secret(book.at('change', 5)), root.derive("m/84'/1'/0'/1/5").privateKey)
  })

  it('differ between the branches, the indexes and mainnet', () => {
    const books = [new AddressBook(root, 'regtest'), new AddressBook(root, 'mainnet')]
    const scripts = books.flatMap((book) =>
      book.watched().map(({ scriptPubKey }) => toHex(scriptPubKey))
    )
    assert.equal(scripts.length, 4 * GAP)
    assert.equal(new Set(scripts).size, scripts.length)
  })

  it('are found again by their script, once derived', () => {
    const book = new AddressBook(root, 'regtest')
    const own = book.at('change', 7)
    assert.equal(book.find(Uint8Array.from(own.scriptPubKey)), own)
    assert.equal(book.find(new Uint8Array(22)), undefined)
  })

  it('are watched as far as handed out, and a gap beyond', () => {
    const book = new AddressBook(root, 'regtest')
    book.next.receive = 3
    assert.equal(book.watched().filter(({ branch }) => branch === 'receive').length, 3 + GAP)
    assert.equal(book.watched().filter(({ branch }) => branch === 'change').length, GAP)
  })
})
