import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder of the repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Paths from the root of the files under version control; none where this is no git work tree (an unpacked archive). */
export function trackedFiles(): string[] {
  if (!existsSync(join(root, '.git'))) return []
  // Whoever owns the folder: nothing is run from it.
  return execFileSync('git', ['-c', `safe.directory=${root}`, 'ls-files', '-z'], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(root, path)))
}

/** The text of a file, by its path from the root. */
export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The names of the folders in packages/. */
export const packageFolders: readonly string[] = readdirSync(join(root, 'packages')).sort()

/** Source files of a package, by their paths from the root. */
export function sourcesOf(folder: string): string[] {
  const src = join(root, 'packages', folder, 'src')
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => relative(root, join(src, path)).replaceAll(sep, '/'))
}
