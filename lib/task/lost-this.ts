import { ambient } from './ambient.js';

/**
 * What a plain function has for `this`: a method that was passed without its object says what to do
 * where it uses that, and does not fail on `undefined`.
 */
const watcher = new Proxy(Object.create(null) as object, {
  get: (_, key) => used(key),
  set: (_, key) => Boolean(used(key)),
  has: (_, key) => Boolean(used(key)),
});

// Not the Proxy itself: each frame of a stack would say so.
export const LOST_THIS = Object.create(watcher) as object;

function used(key: string | symbol): never | undefined {
  const here = ambient.getStore();
  if (here?.kind !== 'task' || typeof key === 'symbol' || key === 'then') {
    return undefined; // asked by the language, or by who looks at it later, and not by the method
  }
  const { name } = here.task;
  throw new TypeError(
    `"${name}" was passed to addTask() without its object, and needs this.${key}. Pass a function that ` +
      `calls it, addTask(() => object.${name}(…)), or bind it: addTask(object.${name}.bind(object), …).`,
  );
}
