/** What one benchmark found: figures by name, each with its unit in the name, and the target it was made for. */
export interface Finding {
  readonly bench: string
  readonly figures: Readonly<Record<string, number>>
  readonly targets: readonly Target[]
}

export interface Target {
  readonly what: string
  readonly wanted: string
  readonly measured: number
  readonly met: boolean
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

/** CPU time that a piece of work took in this process, all threads, in ms; and how long it took. */
export async function timed<Result>(work: () => Promise<Result>): Promise<{ result: Result; wallMs: number; cpuMs: number }> {
  const cpu = process.cpuUsage()
  const startedMs = performance.now()
  const result = await work()
  const wallMs = performance.now() - startedMs
  const used = process.cpuUsage(cpu)
  return { result, wallMs, cpuMs: (used.user + used.system) / 1000 }
}

/** A figure with three significant digits. */
export function round(value: number): number {
  return Number(value.toPrecision(3))
}
