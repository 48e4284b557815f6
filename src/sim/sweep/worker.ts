/** A thread of a sweep. */
import { simulate } from '../simulation.js'
import { serveJobs } from './worker-pool.js'

serveJobs(simulate)
