/** What the README shows is run, word for word. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

describe('README', () => {
  it('links to nothing that the package lacks', async () => {
    const { files } = JSON.parse(await readFile('package.json', 'utf8')) as { files: string[] }
    const links = [...(await readFile('README.md', 'utf8')).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link)
    assert.ok(links.length > 5)
    assert.deepEqual(links.filter((link) => !files.some((file) => link === file || link.startsWith(`${file}/`))), [])
  })

  it('its libp2p application is whole: it starts, and says who it is', async () => {
    const readme = await readFile('README.md', 'utf8')
    const code = [...readme.matchAll(/```js\n([\s\S]*?)```/g)][1]?.[1]
    assert.ok(code?.includes('/tcp/9801') === true)
    const directory = await mkdtemp(join('dist', 'readme-'))
    try {
      // Whoever else uses the port of the README is no concern of this test.
      await writeFile(join(directory, 'service.mjs'), code.replace('/tcp/9801', '/tcp/0'))
      const said: string[] = []
      for (let n = 0; n < 2; n++) {
        const child = spawn(process.execPath, ['service.mjs'], { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] })
        const ended = once(child, 'exit')
        said.push(await Promise.race([once(child.stdout, 'data').then(([data]) => String(data)), ended.then(() => 'ended')]))
        child.kill('SIGKILL')
        await ended
      }
      const [first, again] = said.map((line) => /^I am (12D3KooW\w+), and my coins come to bcrt1q\w+\n$/.exec(line)?.[1])
      assert.ok(first !== undefined && first === again, `the same peer id at every start: ${said.join('')}`)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })

  it('its ten-line payment pays, also when it is run again', async () => {
    const readme = await readFile('README.md', 'utf8')
    const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1]
    assert.ok(code !== undefined, 'the README has a js example')
    // Inside the package, so that `import 'paychan'` finds it by its own name.
    const directory = await mkdtemp(join('dist', 'readme-'))
    try {
      await writeFile(join(directory, 'example.mjs'), code)
      for (let n = 0; n < 2; n++) {
        const { stdout } = await promisify(execFile)(process.execPath, ['example.mjs'], { cwd: directory })
        assert.match(stdout, /amount: 1000n/)
        assert.match(stdout, /memo: 'coffee'/)
        assert.match(stdout, /status: 'acknowledged'/)
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
