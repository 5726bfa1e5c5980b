import { defineConfig } from 'vitest/config'

// Not 'import': Node would then answer `require` with the ES module of a package that has both.
export default defineConfig({
  // Tests run on the sources; only child processes (the command line, preloads) run on the built files.
  resolve: { conditions: ['@spanledger/source', 'node', 'default'] },
  ssr: { resolve: { conditions: ['@spanledger/source', 'node', 'default'] } },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts', 'examples/*/*.test.ts'],
    // Property tests take minutes on a machine that does other things too.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    maxWorkers: 2,
    reporters: ['default', './test/closing-line.ts'],
  },
})
