/** What kept a collector from starting. */
export type CollectorErrorKind =
  /** An option, or a file that it names, is not what it must be. */
  | 'bad_option'
  /** What was asked for is not safe: an address that others can reach, without a token. */
  | 'not_allowed'
  /** The address is in use, or is not one of this machine. */
  | 'cannot_listen'

/** The one error of this package: what was given, what is allowed, what to do. */
export class CollectorError extends Error {
  override readonly name = 'CollectorError'
  readonly kind: CollectorErrorKind

  constructor(kind: CollectorErrorKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}
