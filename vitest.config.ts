import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: ['tests/{real,browser,services,chaos}/**'],
    // Processes that start and heavy tests take several times as long on a busy machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // By default a machine of two processors would get a single worker.
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['schemas/**/*.ts', 'streams/**/*.ts', 'engine/**/*.ts', 'stores/**/*.ts', 'services/**/*.ts'],
      exclude: [
        ...['engine/kernels/assembly/**', 'services/console/**', '**/main.ts', 'services/build.ts'],
        // Covered by `npm run test:services`, on real servers.
        ...['stores/*/{clickhouse,redis,mlflow,s3}/**', 'streams/event-log/kafka/**', 'streams/codec/confluent-*.ts'],
        ...['services/provision/**', 'services/standalone/**'],
      ],
      thresholds: { lines: 80 },
      reporter: ['text-summary'],
    },
  },
})
