/** What a task may throw besides errors. Looking at some of them throws in turn. */
export const HOSTILE_VALUES: readonly (readonly [name: string, make: () => unknown])[] = [
  ['undefined', () => undefined],
  ['null', () => null],
  ['false', () => false],
  ['NaN', () => Number.NaN],
  ['a string', () => 'the mail server said no'],
  ['a symbol', () => Symbol('no')],
  ['a bigint', () => 1n],
  ['a function', () => () => 'no'],
  ['an object without a prototype', () => Object.create(null) as unknown],
  ['an object whose members all throw', thrower],
  ['an error whose members all throw', throwingError],
  ['an error with a symbol for a name', () => Object.assign(new Error('x'), { name: Symbol('n') })],
  ['a frozen error', () => Object.freeze(new Error('frozen'))],
  ['a thenable whose then throws', () => thenable(fail)],
  ['a proxy whose traps all throw', throwingProxy],
  ['a revoked proxy', revokedProxy],
];

/** What a promise calls to learn of a thenable's end. */
export type Then = (
  resolve: (value?: unknown) => void,
  reject: (error: unknown) => void,
) => unknown;

/** Something like a promise, which keeps none of its rules. */
export function thenable(then: Then): object {
  // oxlint-disable-next-line unicorn/no-thenable -- that is the point of it
  return Object.defineProperty({}, 'then', { value: then });
}

/** An object that cannot be shown: all of its members throw. */
export function thrower(): object {
  return withThrowingMembers({});
}

function fail(): never {
  throw new Error('looked at');
}

function throwingError(): Error {
  const error = new Error('hidden');
  // The stack is put together when it is first read or replaced, from the members that follow.
  String(error.stack);
  return withThrowingMembers(error);
}

function withThrowingMembers<T extends object>(value: T): T {
  for (const key of ['name', 'message', 'stack', 'code', 'cause', 'then', 'toString', 'valueOf']) {
    Object.defineProperty(value, key, { get: fail });
  }
  Object.defineProperty(value, Symbol.toPrimitive, { get: fail });
  Object.defineProperty(value, Symbol.toStringTag, { get: fail });
  return value;
}

function throwingProxy(): object {
  return new Proxy({}, { get: fail, has: fail, getPrototypeOf: fail, ownKeys: fail });
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
