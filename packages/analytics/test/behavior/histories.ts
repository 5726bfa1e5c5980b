import type { PatternCall } from './naive-usage-patterns.ts'

const DAY_MS = 86_400_000

/** Twelve users over fifteen weeks: first day, plan, then days since the first with the requests of each feature (c chat, a analysis, s summary). */
const weeks = `
u01 2024-01-02 pro 0:c3 1:c2 7:c3a1 14:c2 21:c3a2 28:c2 35:c2 42:c3 49:c2a1 56:c2 63:c3 70:c2 77:c4a1 84:c4a1 91:c4a1 98:c4a1
u02 2024-01-05 free 0:c2 3:c1 8:c2 16:c1 22:c2s1 30:c1 50:c2 60:c1 79:c2 90:c3
u03 2024-01-08 free 0:c1 2:c1 9:c1
u04 2024-01-10 pro 0:c2a1 10:c2 23:c3 40:c2 52:c2 68:c6 75:c6 85:c2
u05 2024-01-15 free 0:c1 5:c1 22:c2 80:c2
u06 2024-02-01 pro 0:c2a1 1:c1 9:c3 24:c2a2 38:c2 46:c5 53:c5 60:c5 67:c5
u07 2024-02-05 free 0:c1 4:a1 11:c1 23:c2 37:c1 51:c2
u08 2024-02-12 free 0:c1
u09 2024-02-19 free 0:c2 8:c1 22:c2 28:c3 35:c3 43:c3
u10 2024-03-04 free 0:c2 2:a1 10:c1 23:c2 35:c1
u11 2024-03-11 free 0:c1 12:c1
u12 2024-03-19 pro 0:c3a1 6:c2 13:c2 20:c1`

const featureNames: Readonly<Record<string, string>> = { c: 'chat', a: 'analysis', s: 'summary' }

/** 180 requests; as of 2024-04-15. Request j of a day starts at 12:00 UTC and j minutes and takes ten seconds. */
export function twelveUsers(): PatternCall[] {
  return weeks
    .trim()
    .split('\n')
    .flatMap((line) => {
      const [user = '', firstDay = '', , ...days] = line.split(' ')
      return days.flatMap((day) => {
        const [index = '0', features = ''] = day.split(':')
        const names = [...features.matchAll(/([cas])(\d+)/g)].flatMap(([, letter = '', count]) =>
          Array.from({ length: Number(count) }, () => featureNames[letter]),
        )
        return names.map((feature, j) => {
          const startMs = Date.parse(`${firstDay}T12:00:00Z`) + Number(index) * DAY_MS + j * 60_000
          return call({ id: `${user}-${index}-${j}`, user, startMs, seconds: 10, feature })
        })
      })
    })
}

/** id, user, session, start of 2024-03-10 (or with its date), seconds, feature, what became of it, fingerprint. */
const oneDay = `
e1 E - 03:00:00 5 chat ok v1
a1 A - 04:50:00 30 chat ok p1
a2 A - 04:55:00 20 chat ok p2
a3 A - 05:10:00 10 chat timeout p3
a4 A - 05:11:00 10 chat ok p3
a5 A - 05:41:10 5 chat ok p4
a6 A - 06:11:14 6 chat ok p6
b1 B s1 12:00:00 12 document_analysis format_error q1
b2 B s1 12:00:30 12 document_analysis ok q1
b3 B s1 12:00:50 4 document_analysis ok q1
b4 B s1 14:00:00 10 chat ok q2
b5 B s1 14:00:05 10 chat ok q2
c1 C s2 15:00:00 3 chat ok r1
c2 C s2 15:02:00 25 chat ok r2
c3 C s2 15:05:00 4 chat ok r3
c4 C s2 15:07:00 40 chat cancelled r4
a7 A - 2024-03-11T06:00:00 8 document_analysis rate_limit p5
d1 D - 2024-03-11T11:50:00 10 chat ok t1`

/** The day before the clocks of New York go forward and the day after; as of 2024-03-11T12:00Z. */
export function dayOfRequests(): PatternCall[] {
  return oneDay
    .trim()
    .split('\n')
    .map((line) => {
      const [id = '', user = '', session, start = '', seconds, feature, outcome = '', fingerprint] = line.split(' ')
      const startMs = Date.parse(`${start.includes('T') ? start : `2024-03-10T${start}`}Z`)
      return Object.assign(call({ id, user, startMs, seconds: Number(seconds), feature }), {
        session: session === '-' ? undefined : session,
        status: outcome === 'ok' || outcome === 'cancelled' ? outcome : 'error',
        errorClass: outcome === 'ok' ? undefined : outcome,
        fingerprint,
      } as const)
    })
}

interface CallFacts {
  readonly id: string
  readonly user: string
  readonly startMs: number
  readonly seconds: number
  readonly feature: string | undefined
}

export function call({ id, user, startMs, seconds, feature }: CallFacts): PatternCall {
  return {
    id,
    user,
    session: undefined,
    startMs,
    endMs: startMs + seconds * 1000,
    timeToFirstTokenMs: undefined,
    feature,
    operation: 'chat',
    status: 'ok',
    errorClass: undefined,
    fingerprint: undefined,
    isNested: false,
    modelLabel: 'gpt-4o/openai',
  }
}

/** The local day and hour in a zone. */
export function localIn(timeZone: string): (ms: number) => { day: number; hour: number } {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    hourCycle: 'h23',
  })
  return (ms) => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]))
    const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? ''
    return { day: Number(`${part('year')}${part('month')}${part('day')}`), hour: Number(part('hour')) }
  }
}
