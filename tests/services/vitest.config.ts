import { defineConfig } from 'vitest/config'

/** The contract suites and fault cases on real servers; a server that cannot be reached or started fails the run. */
export default defineConfig({
  test: {
    include: ['tests/services/**/*.test.ts'],
    globalSetup: ['tests/services/global-setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    fileParallelism: false,
    // Seven servers on one machine: a stall of seconds may fail a case with a deadline. One that fails twice is broken.
    retry: 1,
  },
})
