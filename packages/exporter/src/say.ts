import { diag } from '@opentelemetry/api'

/**
 * Tells the app's diag logger. Never throws: what writes calls runs in timers, in the exit of a process and inside the app's own calls,
 * and a logger of the app that throws must reach none of them.
 */
export function say(level: 'info' | 'warn' | 'error', text: string): void {
  try {
    diag[level](`Spanledger: ${text}`)
  } catch {
    // Nobody is left to tell.
  }
}
