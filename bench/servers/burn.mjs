/** Keeps a core busy for this many milliseconds. */
export function burn(ms) {
  const endsAt = performance.now() + ms;
  let rounds = 0;
  while (performance.now() < endsAt) rounds += 1;
  return rounds;
}
