import { cleanText } from './clean-text.ts'

const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text from data, safe between tags and in quoted attributes. */
export function escapeHtml(text: string): string {
  return cleanText(text).replaceAll(/[&<>"']/g, (character) => names[character] ?? '')
}
