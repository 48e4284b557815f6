/**
 * Names an input that never ends. A target that loops, also over promises that are settled, keeps
 * its thread for ever, so that another one has to look.
 */
import { writeSync } from 'node:fs'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { z } from 'zod'
import type { Target } from './fuzzer.js'
import { CORPUS, keepCase } from './mutations.js'

/** A busy machine takes seconds for what takes milliseconds; a loop takes longer than anything. */
const HANGS_MS = 30_000
const NAME_BYTES = 32
/** Seeds may be longer than what is made of them. */
const INPUT_BYTES = 1 << 20

/** What both threads see: how many inputs were begun, and the last of them. */
class Desk {
  readonly count: Int32Array
  readonly #lengths: Int32Array
  readonly #name: Uint8Array
  readonly #input: Uint8Array

  constructor(readonly memory: SharedArrayBuffer) {
    this.count = new Int32Array(memory, 0, 1)
    this.#lengths = new Int32Array(memory, 4, 2)
    this.#name = new Uint8Array(memory, 12, NAME_BYTES)
    this.#input = new Uint8Array(memory, 12 + NAME_BYTES, INPUT_BYTES)
  }

  put(name: Uint8Array, input: Uint8Array): void {
    this.#lengths.set([name.length, input.length])
    this.#name.set(name)
    this.#input.set(input)
    Atomics.add(this.count, 0, 1)
  }

  get last(): { readonly name: string; readonly input: Uint8Array } {
    const [name, input] = this.#lengths
    return {
      name: new TextDecoder().decode(this.#name.slice(0, name)),
      input: this.#input.slice(0, input)
    }
  }
}

export class Watchdog {
  readonly #desk = new Desk(new SharedArrayBuffer(12 + NAME_BYTES + INPUT_BYTES))
  readonly #worker: Worker

  /** @param corpus - the folder in which an input that does not end is kept */
  constructor(hangsMs = HANGS_MS, corpus = CORPUS) {
    this.#worker = new Worker(new URL(import.meta.url), {
      workerData: { memory: this.#desk.memory, hangsMs, corpus },
      // Not those of a program that was given on the command line.
      execArgv: []
    })
  }

  /** The same target; each of its inputs is shown to the other thread. */
  watched(target: Target): Target {
    const name = new TextEncoder().encode(target.name)
    return {
      ...target,
      run: (input) => {
        this.#desk.put(name, input)
        return target.run(input)
      }
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Ends the process when its input stays the same. */
async function watch({ memory, hangsMs, corpus }: z.infer<typeof watchShape>): Promise<void> {
  const desk = new Desk(memory)
  for (;;) {
    const before = Atomics.load(desk.count, 0)
    // Nobody notifies: it waits for the whole time.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, hangsMs)
    if (before === 0 || Atomics.load(desk.count, 0) !== before) continue
    const { name, input } = desk.last
    // The main thread, which writes for this one otherwise, does not come to it.
    writeSync(1, `FOUND ${await keepCase(name, input, corpus)}: it does not end\n`)
    process.kill(process.pid, 'SIGKILL')
  }
}

const watchShape = z.object({
  memory: z.instanceof(SharedArrayBuffer),
  hangsMs: z.number(),
  corpus: z.string()
})
if (!isMainThread) await watch(watchShape.parse(workerData))
