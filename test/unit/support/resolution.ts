/** Tells at any time whether `promise` has resolved by then. */
export function resolutionOf(promise: Promise<unknown>): { readonly isThere: boolean } {
  const resolution = { isThere: false };
  void promise.then(() => Object.assign(resolution, { isThere: true }));
  return resolution;
}
