/** Now, and how many minutes east of UTC the kernel may take itself to be. */
export function readClock(): { readonly seconds: number; readonly zones: readonly number[] } {
  const now = new Date();
  // It is told nothing, or what this host's zone is: by systemd or hwclock, and not again when summer comes.
  const halves = [0, 6].map((month) => -new Date(now.getFullYear(), month, 1).getTimezoneOffset());
  return { seconds: Math.floor(now.getTime() / 1000), zones: [...new Set([0, ...halves])] };
}
