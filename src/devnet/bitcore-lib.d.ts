/** The types of bitcore-lib that the script interpreter needs; the package has none. */
declare module 'bitcore-lib' {
  class Script {
    constructor(bytes: Buffer)
  }

  class Transaction {
    constructor(bytes: Buffer)
    inputs: { output: Transaction.Output; witnesses?: Buffer[] }[]
  }

  namespace Transaction {
    class Output {
      constructor(fields: { satoshis: number; script: string })
    }
  }

  interface Interpreter {
    errstr: string
    checkSignatureEncoding: (signature: Buffer) => boolean
    verify: (
      scriptSig: Script,
      scriptPubKey: Script,
      transaction: Transaction,
      input: number,
      flags: number,
      witness: Buffer[],
      satoshis: number
    ) => boolean
  }

  const bitcore: {
    Script: typeof Script & { Interpreter: new () => Interpreter }
    Transaction: typeof Transaction
  }
  export default bitcore
}
