import { posix } from 'node:path'

import { describe, expect, it } from 'vitest'

import { packageFolders, read, sourcesOf } from './repository.ts'

/** A row of the table "Rooms and floors" of docs/architecture.md. */
interface Room {
  readonly floor: number
  readonly folder: string
  readonly npmName: string
  /** Names of the packages that it may import. */
  readonly mayImport: ReadonlySet<string>
}

const rooms = readRooms(read('docs/architecture.md'))
const roomByNpmName = new Map(rooms.map((room) => [room.npmName, room]))

describe('the rooms of docs/architecture.md', () => {
  it('are the packages that exist, under the names they are published by', () => {
    expect(rooms.map(({ folder, npmName }) => [folder, npmName]).sort()).toEqual(
      packageFolders.map((folder) => [folder, (JSON.parse(read(`packages/${folder}/package.json`)) as { name: string }).name]),
    )
  })

  it('import from lower floors only', () => {
    const upward = rooms.flatMap((room) =>
      [...room.mayImport].filter((name) => (roomByNpmName.get(name)?.floor ?? Infinity) >= room.floor).map((name) => [room.npmName, name]),
    )
    expect(upward).toEqual([])
  })
})

describe.each(rooms)('$folder', (room) => {
  const files = sourcesOf(room.folder)
  const imports = files.flatMap((file) => importsOf(file).map((specifier) => ({ file, specifier })))

  it('imports only packages of the workspace that its floor allows', () => {
    const forbidden = imports.filter(({ specifier }) => {
      const name = packageOf(specifier)
      return roomByNpmName.has(name) && !room.mayImport.has(name)
    })
    expect(forbidden).toEqual([])
  })

  it('declares only dependencies that its floor allows', () => {
    const { dependencies = {} } = JSON.parse(read(`packages/${room.folder}/package.json`)) as { dependencies?: Record<string, string> }
    expect(Object.keys(dependencies).filter((name) => roomByNpmName.has(name) && !room.mayImport.has(name))).toEqual([])
  })

  it('declares every package that its sources import', () => {
    const { dependencies, peerDependencies } = JSON.parse(read(`packages/${room.folder}/package.json`)) as Record<
      string,
      Record<string, string> | undefined
    >
    const declared = new Set(Object.keys({ ...dependencies, ...peerDependencies }))
    const undeclared = imports.filter(({ specifier }) => !/^(?:\.|node:)/.test(specifier) && !declared.has(packageOf(specifier)))
    expect(undeclared).toEqual([])
  })

  it('has no file that imports the index of the package', () => {
    const index = `packages/${room.folder}/src/index.ts`
    expect(imports.filter(({ file, specifier }) => specifier.startsWith('.') && resolve(file, specifier) === index)).toEqual([])
    expect(imports.filter(({ specifier }) => packageOf(specifier) === room.npmName)).toEqual([])
  })

  it('has no import cycle, also not of types', () => {
    const graph = new Map(
      files.map((file) => [
        file,
        importsOf(file)
          .filter(isRelative)
          .map((specifier) => resolve(file, specifier)),
      ]),
    )
    expect(findCycle(graph)).toBeUndefined()
  })
})

describe.each([
  ['analytics', ''],
  ['analytics', 'people/'],
  ['store', ''],
])('the folders of %s/src/%s', (room, within) => {
  const top = `packages/${room}/src/${within}`
  const files = sourcesOf(room).filter((file) => file.startsWith(top) && file.slice(top.length).includes('/'))
  const rows = read(`packages/${room}/README.md`).matchAll(/^\| `([a-z/]+\/)` \|/gm)
  const folders = [...rows].flatMap(
    ([, path = '']) => /^([a-z]+)\/$/.exec(path.startsWith(within) ? path.slice(within.length) : '')?.[1] ?? [],
  )
  const folderOf = (file: string) => (file.startsWith(top) ? (file.slice(top.length).split('/', 1)[0] ?? '') : '')

  it('are those that its README tells', () => {
    expect([...new Set(files.map(folderOf))].sort()).toEqual([...folders].sort())
  })

  it('import only from folders that its README has further down', () => {
    const upward = files.flatMap((file) =>
      importsOf(file)
        .filter(isRelative)
        .map((specifier) => resolve(file, specifier))
        .filter((imported) => folders.includes(folderOf(imported)) && folders.indexOf(folderOf(imported)) < folders.indexOf(folderOf(file)))
        .map((imported) => ({ file, imported })),
    )
    expect(upward).toEqual([])
  })
})

it('an app that only makes spans does not install SQLite: instrumentation does not reach store by any way', () => {
  expect(reachableFrom('@spanledger/instrumentation')).toEqual(new Set(['@spanledger/instrumentation', '@spanledger/conventions']))
})

function readRooms(text: string): Room[] {
  const cells = text
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, floor]) => /^\d+$/.test(floor ?? ''))
  const npmNames = new Map(cells.map(([, , folder = '', npmName = '']) => [folder, npmName]))
  return cells.map(([, floor, folder = '', npmName = '', imports = '']) => {
    const named =
      imports === 'nothing' ? [] : imports === 'all' ? [...npmNames.keys()].filter((other) => other !== folder) : imports.split(', ')
    return { floor: Number(floor), folder, npmName, mayImport: new Set(named.map((name) => npmNames.get(name) ?? name)) }
  })
}

/** What a source file imports, statically or not, types included. */
function importsOf(file: string): string[] {
  const code = read(file).replaceAll(/\/\*[\s\S]*?\*\//g, '')
  const statements = code.matchAll(/^(?:import|export)\s(?:[^'";]*?\sfrom\s)?'([^']+)'|\bimport\('([^']+)'\)/gm)
  return [...statements].map(([, fixed, dynamic]) => fixed ?? dynamic ?? '')
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.')
}

function resolve(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier)
}

/** `@scope/name/sub` -> `@scope/name`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

/** A path that ends where it begins, or undefined. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const next of graph.get(file) ?? []) {
      const cycle = visit(next, [...path, file])
      if (cycle !== undefined) return cycle
    }
    done.add(file)
    return undefined
  }
  for (const file of graph.keys()) {
    const cycle = visit(file, [])
    if (cycle !== undefined) return cycle
  }
  return undefined
}

/** Every package of the workspace that comes along when one is installed. */
function reachableFrom(npmName: string, seen = new Set<string>()): Set<string> {
  const room = roomByNpmName.get(npmName)
  if (room === undefined || seen.has(npmName)) return seen
  seen.add(npmName)
  const { dependencies = {} } = JSON.parse(read(`packages/${room.folder}/package.json`)) as { dependencies?: Record<string, string> }
  for (const name of Object.keys(dependencies)) reachableFrom(name, seen)
  return seen
}
