type Method = (...args: never[]) => unknown;

/** The method whose copy is being called, synchronously. */
let entering: Method | undefined;

/**
 * Calls a copy of a `@Background()` method as the body of its task. A spy that calls through
 * reaches the decorator again: that call is the body, not another task.
 */
export function callCopy(method: Method, call: () => unknown): unknown {
  const around = entering;
  entering = method;
  try {
    return call();
  } finally {
    entering = around;
  }
}

/** Whether this call of `method` comes from {@link callCopy}. Only the first one does. */
export function isCalledByCopy(method: Method): boolean {
  const is = entering === method;
  if (is) {
    entering = undefined;
  }
  return is;
}
