/** A thread of a sweep. */
import { simulate } from '../simulate.js'
import { serveJobs } from './worker-pool.js'

serveJobs(simulate)
