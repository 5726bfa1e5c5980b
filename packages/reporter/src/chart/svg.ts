import { escapeHtml } from '../format/escape-html.ts'

/** How wide every chart is drawn; a page may show it smaller. */
export const WIDTH = 720

type Attributes = Readonly<Record<string, string | number>>

/** An element of SVG. What is inside is SVG already; values of attributes are escaped. */
export function element(name: string, attributes: Attributes, inside = ''): string {
  const written = Object.entries(attributes)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeHtml(value)}"`)
    .join('')
  return `<${name}${written}>${inside}</${name}>`
}

/** Text from data. */
export function label(text: string, attributes: Attributes): string {
  return element('text', attributes, escapeHtml(text))
}

/** Characters that take the room of two. */
const WIDE = /^(?:[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic})/u
const segmenter = new Intl.Segmenter()
/** A text far longer than any label is not looked at to its end. */
const MAX_LOOKED_AT = 400

/** As much of a text as fits in so many columns, between characters as people see them. */
export function cutLabel(text: string, columns: number): string {
  const parts: string[] = []
  let taken = 0
  for (const { segment } of segmenter.segment(text.slice(0, MAX_LOOKED_AT))) {
    taken += WIDE.test(segment) ? 2 : 1
    if (taken > columns) return `${parts.slice(0, -1).join('')}…`
    parts.push(segment)
  }
  return parts.join('')
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
