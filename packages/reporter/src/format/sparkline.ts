/** How counts may be drawn: in blocks, or in characters that every terminal has. */
const levels = { blocks: '▁▂▃▄▅▆▇█', ascii: '.:-=+*#@' } as const

/** Numbers as a line of characters, linear from the least to the most of them; equal numbers are all low. */
export function sparkline(counts: readonly number[], { ascii = false }: { ascii?: boolean } = {}): string {
  const characters = Array.from(ascii ? levels.ascii : levels.blocks)
  const [least, most] = [Math.min(...counts), Math.max(...counts)]
  const step = (most - least) / (characters.length - 1)
  return counts.map((count) => characters[step === 0 ? 0 : Math.round((count - least) / step)] ?? '').join('')
}
