/**
 * What an object of ours holds under `key`.
 *
 * @throws TypeError where a method was called without the object that it belongs to
 */
export function heldBy(owner: unknown, key: symbol): unknown {
  const held = (owner as Record<symbol, unknown> | null | undefined)?.[key];
  if (held === undefined) {
    throw new TypeError(DETACHED);
  }
  return held;
}

/** Also of what keeps its state elsewhere. */
export const DETACHED =
  'A method of BackgroundTasks, TaskRunner, TaskHandle or a chain was called without its object, as after ' +
  '"const { addTask } = tasks". Call it on the object, tasks.addTask(…); where a function is expected, ' +
  'pass (...args) => tasks.addTask(...args).';
