/** A thread of a sweep. */
import { simulate } from '../simulate.js'
import { serveJobs } from './work.js'

serveJobs(simulate)
