/** Lints a snippet as if it were the text of a file of this repo. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ESLint } from 'eslint'
import tseslint from 'typescript-eslint'

// Without type information a snippet takes milliseconds, and its file need not exist.
const untyped = new ESLint({
  overrideConfig: [
    { files: ['**/*.ts'], languageOptions: { parserOptions: { projectService: false } } },
    tseslint.configs.disableTypeChecked
  ]
})
const typed = new ESLint()

export interface Complaint {
  readonly rule: string
  readonly message: string
}

async function lintWith(eslint: ESLint, filePath: string, code: string): Promise<Complaint[]> {
  const [result] = await eslint.lintText(code.endsWith('\n') ? code : `${code}\n`, { filePath })
  return (result?.messages ?? []).map(({ ruleId, message }) => ({
    rule: ruleId ?? 'parse',
    message
  }))
}

/** What the rules that need no types say about `code` in the file `filePath`. */
export async function lint(filePath: string, code: string): Promise<Complaint[]> {
  return await lintWith(untyped, filePath, code)
}

/**
 * The same, with types. `filePath` must exist; its text is replaced by `code` for this call only.
 */
export async function lintTyped(filePath: string, code: string): Promise<Complaint[]> {
  return await lintWith(typed, filePath, code)
}

/** The first TypeScript file of a room, to import from. */
export function anyFileOf(room: string): string {
  if (room.endsWith('.ts')) return room
  const name = readdirSync(room, { recursive: true, encoding: 'utf8' })
    .filter((entry) => entry.endsWith('.ts'))
    .sort()[0]
  if (name === undefined) throw new Error(`no file in ${room}`)
  return join(room, name)
}
