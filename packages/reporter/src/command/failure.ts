/** Exit codes that scripts rely on. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  noData: 3,
  notAllowed: 4,
  thresholdTripped: 5,
  interrupted: 130,
  terminated: 143,
} as const

/** An end of the command that is neither success nor a fault of the program: what to say, and the exit code. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitCode: number

  constructor(exitCode: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exitCode = exitCode
  }
}

export function usageFailure(message: string, options?: ErrorOptions): CommandFailure {
  return new CommandFailure(exitCodes.usage, message, options)
}
