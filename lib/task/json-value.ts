/** The deepest nesting: `JSON.stringify()` would overflow the stack somewhere beyond. */
const MAX_DEPTH = 500;

interface Budget {
  left: number;
}

/**
 * The part of `value` that JSON would lose or change, with its path; `undefined` if there is none.
 *
 * @param most how many values and characters there may be; more are a problem, too
 */
export function problemAt(path: string, value: unknown, most?: number): string | undefined {
  const budget = most === undefined ? undefined : { left: most };
  const problem = value === undefined ? undefined : problemOf(value, undefined, budget);
  return problem === undefined ? undefined : `${path}${problem}`;
}

/**
 * As {@link problemAt}, with the rest of the path. Builds text only for a problem: most values have
 * none.
 */
function problemOf(
  value: unknown,
  above: readonly object[] | undefined,
  budget: Budget | undefined,
): string | undefined {
  if (budget !== undefined && (budget.left -= 1) < 0) {
    return ' is one value too many';
  }
  switch (typeof value) {
    case 'string':
      return isBeyond(budget, value) ? ' is too long' : undefined;
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : ` is ${value}`;
    case 'undefined':
      return ' is undefined';
    case 'object':
      return value === null ? undefined : problemOfObject(value, above, budget);
    default:
      return ` is a ${typeof value}`;
  }
}

/** Texts count before they are written as JSON, which would stop the event loop. */
function isBeyond(budget: Budget | undefined, { length }: string): boolean {
  return budget !== undefined && (budget.left -= length) < 0;
}

function problemOfObject(
  value: object,
  above: readonly object[] = [],
  budget: Budget | undefined,
): string | undefined {
  if (above.includes(value)) {
    return ' refers back to what contains it';
  }
  if (above.length >= MAX_DEPTH) {
    return ` lies deeper than ${MAX_DEPTH} levels`;
  }
  if (Array.isArray(value)) {
    return problemOfItems(value, above, budget);
  }
  if (!isPlainObject(value)) {
    return ` is a ${value.constructor?.name ?? 'class instance'}`;
  }
  const inside = [...above, value];
  for (const key of Object.keys(value)) {
    if (isBeyond(budget, key)) {
      return ' has too long keys';
    }
    const entry = value[key];
    const problem = entry === undefined ? undefined : problemOf(entry, inside, budget);
    if (problem !== undefined) {
      return `.${key}${problem}`;
    }
  }
  return undefined;
}

function problemOfItems(
  items: readonly unknown[],
  above: readonly object[],
  budget: Budget | undefined,
): string | undefined {
  if ('toJSON' in items) {
    return ' has a toJSON() of its own';
  }
  const inside = [...above, items];
  for (let index = 0; index < items.length; index += 1) {
    const problem = problemOf(items[index], inside, budget);
    if (problem !== undefined) {
      return `[${index}]${problem}`;
    }
  }
  return undefined;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  // A test runner's realm has its own Object.prototype: any prototype without a parent is plain.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
