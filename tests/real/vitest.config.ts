import { defineConfig } from 'vitest/config'

/** The whole of a real data set, where its folder stands beside the project. */
export default defineConfig({
  test: { include: ['tests/real/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 600_000, fileParallelism: false },
})
