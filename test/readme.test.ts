/** What the README and the guide show is run, word for word. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { itInAll } from './size.js'

/** Links within the repository, with the heading that they mean. */
function linksOf(text: string): Array<{ readonly path: string; readonly heading: string }> {
  return [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)].map(
    ([, path = '', heading = '']) => ({ path, heading })
  )
}

/**
 * As web pages of Markdown name the headings: lower case, without punctuation, hyphens for spaces.
 */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
  )
}

describe('README', () => {
  it('links to nothing that the package lacks', async () => {
    const { files } = JSON.parse(await readFile('package.json', 'utf8')) as { files: string[] }
    const links = linksOf(await readFile('README.md', 'utf8')).map(({ path }) => path)
    assert.ok(links.length > 5)
    assert.deepEqual(
      links.filter((link) => !files.some((file) => link === file || link.startsWith(`${file}/`))),
      []
    )
  })

  it('and every other page link to files and headings that are there', async () => {
    const pages = [
      ...(await readdir('.')).filter((file) => file.endsWith('.md')),
      ...(await readdir('docs'))
        .filter((file) => file.endsWith('.md'))
        .map((file) => join('docs', file)),
      join('protocols', 'paychan', '1.0', 'spec.md')
    ]
    const dead: string[] = []
    for (const page of pages) {
      for (const { path, heading } of linksOf(await readFile(page, 'utf8'))) {
        const target = path === '' ? page : join(dirname(page), path)
        const text = await readFile(target, 'utf8').catch(() => undefined)
        const isDirectory =
          text === undefined &&
          (await readdir(target).then(
            () => true,
            () => false
          ))
        if (isDirectory) continue
        if (text === undefined || (heading !== '' && !anchorsOf(text).includes(heading))) {
          dead.push(`${page}: ${path}#${heading}`)
        }
      }
    }
    assert.deepEqual(dead, [])
  })

  itInAll(
    'the libp2p application of the guide is whole: it starts, and says who it is',
    async () => {
      const guide = await readFile(join('docs', 'guide.md'), 'utf8')
      const code = /```js\n([\s\S]*?)```/.exec(guide)?.[1]
      assert.ok(code?.includes('/tcp/9801') === true)
      const directory = await mkdtemp(join('dist', 'readme-'))
      try {
        // Whoever else uses the port of the guide is no concern of this test.
        await writeFile(join(directory, 'service.mjs'), code.replace('/tcp/9801', '/tcp/0'))
        const said: string[] = []
        for (let n = 0; n < 2; n++) {
          const child = spawn(process.execPath, ['service.mjs'], {
            cwd: directory,
            stdio: ['ignore', 'pipe', 'inherit']
          })
          const ended = once(child, 'exit')
          said.push(
            await Promise.race([
              once(child.stdout, 'data').then(([data]) => String(data)),
              ended.then(() => 'ended')
            ])
          )
          child.kill('SIGKILL')
          await ended
        }
        const [first, again] = said.map(
          (line) => /^I am (12D3KooW\w+), and my coins come to bcrt1q\w+\n$/.exec(line)?.[1]
        )
        assert.ok(
          first !== undefined && first === again,
          `the same peer id at every start: ${said.join('')}`
        )
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    }
  )

  it('its ten-line payment pays, also when it is run again', async () => {
    const readme = await readFile('README.md', 'utf8')
    const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1]
    assert.ok(code !== undefined, 'the README has a js example')
    // Inside the package, so that `import 'paychan'` finds it by its own name.
    const directory = await mkdtemp(join('dist', 'readme-'))
    try {
      await writeFile(join(directory, 'example.mjs'), code)
      for (let n = 0; n < 2; n++) {
        const { stdout } = await promisify(execFile)(process.execPath, ['example.mjs'], {
          cwd: directory,
          env: { ...process.env, FORCE_COLOR: '0' }
        })
        assert.match(stdout, /amount: 1000n/)
        assert.match(stdout, /memo: 'coffee'/)
        assert.match(stdout, /status: 'acknowledged'/)
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
