/** Properties and traits that apps keep tiers in, canonical, the likeliest first. */
export const tierKeys: readonly string[] = ['plan', 'tier', 'user_tier', 'usertier']
