import type { LazyModuleLoader } from '@nestjs/core';
import type { TaskFinder } from '../task/task-registry.js';

/**
 * Nest calls no hook of a module that is loaded lazily. A call of one of its methods asks for it, but a
 * schedule ticks without a call, and a stored task has only its name.
 */
export function exploreWhatIsLoaded(loader: LazyModuleLoader, finder: TaskFinder): void {
  const load = loader.load.bind(loader);
  const value: typeof load = async (...args) => {
    const loaded = await load(...args);
    finder.explore();
    return loaded;
  };
  Object.defineProperty(loader, 'load', { value, configurable: true, writable: true });
}
