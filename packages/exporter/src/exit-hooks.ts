import { endOpenCalls } from '@spanledger/conventions'

/** What wants to be told when the process ends. */
export interface Leaving {
  /** There is time: resolves when all is written. Never rejects. */
  flush(): Promise<void>
  /** There is none: must be done when it returns. Never throws. */
  flushNow(): void
  /** How much waits to be written. */
  waiting(): number
  readonly handleSignals: boolean
}

/**
 * Tells `leaving` of the end of the process, whichever way it comes: `beforeExit` and signals leave time to write,
 * `process.exit()` and an uncaught error do not. SIGKILL tells nobody. Whoever cannot write at `beforeExit` is not asked to
 * again: what still waits then is left to `flushNow`.
 *
 * A signal ends the process as it would have without us: where nobody else listens for it, it is raised again when all is
 * written; where somebody does, what happens is theirs to say. Calls that are not over are ended before the last writing,
 * and not while the process may go on: an app that handles a signal itself may want to read its answers first.
 * @returns a function that stops telling
 */
export function onLeaving(leaving: Leaving): () => void {
  const hooks = (slots[HOOKS] ??= installHooks())
  hooks.add(leaving)
  return () => hooks.remove(leaving)
}

interface Hooks {
  add(leaving: Leaving): void
  remove(leaving: Leaving): void
}

// On globalThis, so that two copies of this package in one app do not take each other for the app's own listeners.
const HOOKS = Symbol.for('spanledger.exit-hooks')
const slots = globalThis as { [HOOKS]?: Hooks }

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
/** A signal waits this long for the store; what is not written then goes to the spool. */
const SIGNAL_PATIENCE_MS = 3000

function installHooks(): Hooks {
  const leavers = new Set<Leaving>()
  // Node says beforeExit again after each flush: one more that achieves nothing would keep the process from ever ending.
  const stuck = new WeakSet<Leaving>()
  const flushBeforeExit = async (leaving: Leaving): Promise<void> => {
    const before = leaving.waiting()
    if (before === 0 || stuck.has(leaving)) return
    await leaving.flush()
    if (leaving.waiting() >= before) stuck.add(leaving)
  }
  const beforeExit = (): void => {
    for (const leaving of leavers) void flushBeforeExit(leaving)
  }
  const exit = (): void => {
    endOpenCalls()
    for (const leaving of leavers) leaving.flushNow()
  }
  const signalled = (signal: NodeJS.Signals): void => {
    // Before the first await: a listener that others added with once() is gone when the next one runs.
    const isNobodyElses = process.listenerCount(signal) === 1
    const told = [...leavers].filter((leaving) => leaving.handleSignals)
    void leave(signal, { told, isNobodyElses })
  }
  const leave = async (signal: NodeJS.Signals, { told, isNobodyElses }: { told: Leaving[]; isNobodyElses: boolean }): Promise<void> => {
    if (isNobodyElses) endOpenCalls()
    await withinPatience(Promise.all(told.map((leaving) => leaving.flush())))
    if (!isNobodyElses) return
    exit()
    process.removeListener(signal, signalled)
    process.kill(process.pid, signal)
  }
  let isListening = false
  const listenForSignals = (): void => {
    const wanted = [...leavers].some((leaving) => leaving.handleSignals)
    if (wanted === isListening) return
    isListening = wanted
    for (const signal of SIGNALS) {
      // First in line, to count the others before they are gone.
      if (wanted) process.prependListener(signal, signalled)
      else process.removeListener(signal, signalled)
    }
  }
  process.on('beforeExit', beforeExit)
  process.on('exit', exit)
  return {
    add: (leaving) => {
      leavers.add(leaving)
      listenForSignals()
    },
    remove: (leaving) => {
      leavers.delete(leaving)
      listenForSignals()
      if (leavers.size > 0) return
      process.removeListener('beforeExit', beforeExit)
      process.removeListener('exit', exit)
      delete slots[HOOKS]
    },
  }
}

async function withinPatience(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, SIGNAL_PATIENCE_MS)
  })
  await Promise.race([work, patience])
  clearTimeout(timer)
}
