/**
 * A constructor that returns its argument, so that a subclass puts private fields on an object
 * which somebody else has made. Object walkers skip them, and they cost less than non-enumerable
 * properties.
 */
export const Found = function (found: object) {
  return found;
} as unknown as new (found: object) => object;
