/** Preload: `node --import`. It exports nothing. */
