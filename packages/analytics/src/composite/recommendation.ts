import type { Definition } from '../query/answer.ts'

/** Something that stands out, with the numbers behind it. Numbers go together with what is recommended; they do not prove it. */
export interface Recommendation {
  /** R1 to R8. */
  readonly rule: string
  /** What stands out, in words and numbers. */
  readonly says: string
  readonly advice: string
  /** The section that shows it. */
  readonly section: string
  readonly value: number
  /** What it is held against. */
  readonly against: number
  /** Of how many requests or users. */
  readonly n: number
  /** The 95 % interval of what `interval_of` names; null where it cannot be told. */
  readonly ci_low: number | null
  readonly ci_high: number | null
  readonly interval_of: string
  readonly reads: 'association'
}

export const recommendationColumns = [
  { key: 'rule', label: 'Rule', type: 'string', says: 'which rule it comes from: R1 to R8' },
  { key: 'says', label: 'What stands out', type: 'string', says: 'in words and numbers' },
  { key: 'advice', label: 'What to do', type: 'string', says: 'where to look, or what to try' },
  { key: 'section', label: 'Section', type: 'string', says: 'the section that shows it' },
  { key: 'value', label: 'Value', type: 'number', says: 'the number that stands out' },
  { key: 'against', label: 'Against', type: 'number', says: 'what it is held against' },
  { key: 'n', label: 'n', type: 'int', says: 'of how many requests or users' },
  { key: 'ci_low', label: 'From', type: 'number', says: '95 % interval of what interval_of names' },
  { key: 'ci_high', label: 'To', type: 'number', says: 'its upper end' },
  { key: 'interval_of', label: 'Interval of', type: 'string', says: 'what the interval is of' },
  { key: 'reads', label: 'Reads', type: 'string', says: 'association: it goes together, which is not to say that it is the cause' },
] as const satisfies readonly Definition[]
