/** How counts may be drawn: in blocks, or in characters that every terminal has. */
const levels = { blocks: '▁▂▃▄▅▆▇█', ascii: '.:-=+*#@' } as const

/** Numbers as a line of characters, linear from the least to the most of them; equal numbers are all low, unknown ones a space. */
export function sparkline(counts: readonly (number | null)[], { ascii = false }: { ascii?: boolean } = {}): string {
  const characters = Array.from(ascii ? levels.ascii : levels.blocks)
  const known = counts.filter((count) => count !== null)
  const [least, most] = [Math.min(...known), Math.max(...known)]
  const step = (most - least) / (characters.length - 1)
  return counts.map((count) => (count === null ? ' ' : (characters[step === 0 ? 0 : Math.round((count - least) / step)] ?? ''))).join('')
}
