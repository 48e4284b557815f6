import { availableParallelism } from 'node:os'

const isAll = process.env.PAYCHAN_TEST_SIZE === 'all'

/** `npx mocha dist/test/channel/paying.test.js` runs that file, and in this process. */
const areNamed = process.argv.slice(2).some((argument) => argument.endsWith('.test.js'))

/** Rooms with long tests come first, so that at the end no core waits for another. */
const LONG = 'architecture|demo|node|reorgs|sim|lies|cli|channel|engine|model|wallet'
const ALL = [
  `dist/test/@(${LONG})/**/*.test.js`,
  `dist/test/!(${LONG})/**/*.test.js`,
  'dist/test/*.test.js'
]

/**
 * What `npm run test:all` runs alone, since it cannot be made small: that the linter's rules bite
 * takes the linter and all types, and each demo runs two nodes for half a minute.
 */
const ONLY_IN_ALL = [
  'dist/test/architecture/@(purity|rooms).test.js',
  'dist/test/demo/demo.test.js'
]

/**
 * Runs in a process of its own after the others (`posttest:all`): each of its servers shows 42 MB to
 * each node, and in a worker that hundreds of files have run in it has hung.
 */
const ALONE = ['dist/test/lies/dust.test.js']

export default {
  ...(areNamed ? {} : { spec: ALL, ignore: isAll ? ALONE : ONLY_IN_ALL }),
  require: ['./dist/test/setup.js'],
  'enable-source-maps': true,
  'node-option': ['enable-source-maps'],
  parallel: !areNamed,
  // Many tests wait for a clock or a process, so one more than there are cores; test:all has others beside it in CI.
  jobs: availableParallelism() + (isAll ? 0 : 1),
  // Ends a test that hangs. On a busy machine one that takes a second may take a minute.
  timeout: 180_000,
  'forbid-only': !areNamed,
  'forbid-pending': true,
  exit: false
}
