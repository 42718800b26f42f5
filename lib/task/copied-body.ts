type Method = (...args: never[]) => unknown;

/** The method of which a copy is being called, in this very turn. */
let entering: Method | undefined;

/**
 * Calls a copy of a `@Background()` method as the body of its task: a spy that calls through comes
 * back to the decorator, and that call is the body, not another task.
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

/** Whether a call of `method` is that of {@link callCopy}. The first one is. */
export function isCalledByCopy(method: Method): boolean {
  const is = entering === method;
  if (is) {
    entering = undefined;
  }
  return is;
}
