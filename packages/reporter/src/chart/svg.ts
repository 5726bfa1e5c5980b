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

function round(value: number): number {
  return Math.round(value * 100) / 100
}
