/** Why a record is not imported. docs/bad-input.md says what each means. */
export const refusalReasons = [
  'too_long',
  'not_utf8',
  'no_json',
  'no_object',
  'no_otlp',
  'bad_span',
  'csv_cells',
  'csv_quotes',
  'no_id',
  'no_time',
  'time_out_of_range',
] as const
export type RefusalReason = (typeof refusalReasons)[number]

export interface Refusal {
  readonly refused: RefusalReason
  /** What of it, in words. */
  readonly detail: string
}

export function refuse(refused: RefusalReason, detail: string): Refusal {
  return { refused, detail }
}

export function isRefusal(value: object): value is Refusal {
  return 'refused' in value
}
