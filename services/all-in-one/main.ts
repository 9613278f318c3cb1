import { parseArgs } from 'node:util'
import { runAllInOne } from './foreground.ts'

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
const { values } = parseArgs({ options: { demo: { type: 'boolean', default: true } }, allowNegative: true })
process.exitCode = await runAllInOne({ demo: values.demo, environment: process.env, signal: stop.signal })
