#!/usr/bin/env node
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(
    `millrace needs Node 24 or newer; this is ${process.version}. Inside the project "npx millrace" brings its own.`,
  )
  process.exit(2)
}
await import('./main.ts')
