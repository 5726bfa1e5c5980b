/** What reading had to mend or refuse. Each is counted in the ledger by name; docs/bad-input.md says what became of the value. */
export type ReadingFault =
  | 'user_refused'
  | 'user_hashed'
  | 'session_refused'
  | 'session_hashed'
  | 'property_key_refused'
  | 'property_value_cut'
  | 'properties_over_limit'
  | 'token_count_refused'
  | 'cost_refused'
  | 'time_refused'
  | 'attributes_dropped'
