/** Lets one through at a time, in the order in which they came. */
export class Turnstile {
  #tail: Promise<unknown> = Promise.resolve()

  /** @returns how to let the next one through; may be called more than once */
  async enter(): Promise<() => void> {
    const before = this.#tail
    const { promise, resolve } = withResolvers()
    this.#tail = promise
    await before
    return resolve
  }
}

/** `Promise.withResolvers`, which Node has since 22. */
function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve: () => resolve() }
}
