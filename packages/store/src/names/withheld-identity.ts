import type { Identity } from '@spanledger/conventions'

/** The name of the rows with id 0; no user can be called so, see `readId`. */
export const NOBODY = '(none)'

/**
 * What a span of a user says whose calls are to be nobody's: those who opted out or were erased. It is remembered with the trace in the
 * place of the id, and whatever inherits it is nobody's, with no session and no properties.
 */
export const withheldIdentity: Identity = { user: NOBODY, session: undefined, properties: new Map() }

const nothingSaid: Identity = { user: undefined, session: undefined, properties: new Map() }

/** Whose something is, with nothing said of it where that is not to be known. */
export function tellable(identity: Identity): Identity {
  return identity.user === NOBODY ? nothingSaid : identity
}
