/** The scripts that the bench of the watcher watches: P2WSH, one for each number. */
export function fundingScript (index: number): Uint8Array {
  const script = new Uint8Array(34)
  script.set([0x00, 0x20])
  new DataView(script.buffer).setUint32(2, index)
  return script
}
