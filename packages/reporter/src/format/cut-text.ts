/** Characters that take the room of two. */
const WIDE = /^(?:[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation})/u
const segmenter = new Intl.Segmenter()
/** A character as people see it may be made of several; one of more than this is no character that anybody writes. */
const MAX_UNITS_A_COLUMN = 30

/** As much of a text as fits in so many columns, cut between characters as people see them, with a mark where something is cut. */
export function cutText(text: string, columns: number, mark = '…'): string {
  // Nearly every text is short and plain.
  if (text.length <= columns / 2 || columns === Number.POSITIVE_INFINITY) return text
  const parts: { readonly segment: string; readonly width: number }[] = []
  let taken = 0
  for (const { segment } of segmenter.segment(text.slice(0, columns * MAX_UNITS_A_COLUMN))) {
    const width = WIDE.test(segment) ? 2 : 1
    taken += width
    parts.push({ segment, width })
    if (taken > columns) break
  }
  if (taken <= columns && text.length <= columns * MAX_UNITS_A_COLUMN) return text
  while (taken > columns - mark.length) taken -= parts.pop()?.width ?? columns
  return parts.map(({ segment }) => segment).join('') + mark
}
