import { unsupportedOption, type Engine } from '../engine/engine.js';
import { UnsupportedOptionError } from '../errors/storage.errors.js';
import type { TaskSettings } from '../task/task-options.js';

/** @throws UnsupportedOptionError if the queue's engine cannot do what the settings ask for */
export function checkSupport(engine: Engine, settings: TaskSettings, subject: string): void {
  const support = engine.supportOf(settings.queue);
  const option = unsupportedOption(support, settings);
  if (option !== undefined) {
    throw new UnsupportedOptionError(subject, option, settings.queue, support.engine);
  }
}
