import { describe, expect, it } from 'vitest'

import { read, trackedFiles } from './repository.ts'

const files = trackedFiles()

/** Lines of all files that match, as `file:line`. */
function linesWith(pattern: RegExp, paths: readonly string[] = files): string[] {
  return paths.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, n) => (pattern.test(line) ? [`${path}:${n + 1}`] : [])),
  )
}

describe.skipIf(files.length === 0)('the repository', () => {
  it('has files to look at', () => {
    expect(files).toContain('package.json')
    expect(linesWith(/"name": "spanledger-workspace"/)).toContain('package.json:2')
  })

  it('names no host of a package registry', () => {
    // Without the dots, so that this file does not name one either.
    const hosts = ['registry npmjs org', 'registry yarnpkg com', 'npm pkg github com', 'npm jsr io'].map((host) =>
      host.replaceAll(' ', '\\.'),
    )
    expect(linesWith(new RegExp(hosts.join('|')))).toEqual([])
  })

  it('has lock files that work with any registry', () => {
    const locks = files.filter((path) => path.endsWith('package-lock.json'))
    expect(locks.sort()).toEqual(['package-lock.json', 'test/dialects/package-lock.json', 'test/sdk-3/package-lock.json'])
    expect(linesWith(/"resolved": "[a-z+]+:/, locks)).toEqual([])
  })

  it('names no folder of one machine', () => {
    // A path in backquotes or quotes, or after a space, that begins at the root of a home or a work folder.
    expect(linesWith(/(?:^|[\s"'`(=])(?:\/(?:home|Users|root|work|mnt|workspace)\/[\w.-]|[A-Z]:\\\\?Users)/)).toEqual([])
  })
})
