/** How far users have come with the app; each user is in the last of these that fits. */
export const stages = ['acquisition', 'activation', 'retention', 'growth'] as const
export type Stage = (typeof stages)[number]

/** Where a user stands at an instant. */
export interface Standpoint {
  /** First success, and all that onboarding takes, on the first seven days. */
  readonly isOnboarded: boolean
  /** There for 28 days, and active in at least three of the last four weeks. */
  readonly isRegular: boolean
  readonly isPower: boolean
  /** Had a free plan once, and has another now. */
  readonly hasUpgraded: boolean
  readonly isPromoter: boolean
  readonly hasReferred: boolean
  readonly isAtRisk: boolean
  readonly isChurned: boolean
}

function stageOf({ isOnboarded, isRegular, isPower, hasUpgraded, isPromoter, hasReferred }: Standpoint): Stage {
  if (isPower || hasUpgraded || isPromoter || hasReferred) return 'growth'
  if (isRegular) return 'retention'
  return isOnboarded ? 'activation' : 'acquisition'
}

/** A stage in numbers. */
export interface StageCount {
  readonly stage: Stage
  readonly users: number
  readonly share: number
  /** Who was in another stage before, or not there. */
  readonly movedIn: number
  readonly movedOut: number
  readonly atRisk: number
  readonly churned: number
}

/** Users by stage, and who moved since an earlier instant; `before` is undefined of who was not there yet. */
export function countStages(users: readonly { readonly before: Standpoint | undefined; readonly now: Standpoint }[]): StageCount[] {
  const moves = users.map(({ before, now }) => ({ now, from: before === undefined ? undefined : stageOf(before), to: stageOf(now) }))
  return stages.map((stage) => {
    const here = moves.filter(({ to }) => to === stage)
    return {
      stage,
      users: here.length,
      share: here.length / users.length,
      movedIn: here.filter(({ from }) => from !== stage).length,
      movedOut: moves.filter(({ from, to }) => from === stage && to !== stage).length,
      atRisk: here.filter(({ now }) => now.isAtRisk).length,
      churned: here.filter(({ now }) => now.isChurned).length,
    }
  })
}

/** Weeks of the last four, counted back from a day that is not one of them, in which a user was active. */
export function activeWeeks(days: Iterable<number>, beforeDay: number): number {
  const weeks = new Set<number>()
  for (const day of days) {
    const week = Math.floor((beforeDay - 1 - day) / 7)
    if (week >= 0 && week < 4) weeks.add(week)
  }
  return weeks.size
}
