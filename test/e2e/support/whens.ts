import type { BackgroundTasks, When } from 'nestjs-background-tasks';

export const WHENS: readonly When[] = ['success', 'failure', 'always'];
/** What runs of one task of each kind. */
export const SUCCESS: readonly string[] = ['success', 'always'];
export const FAILURE: readonly string[] = ['failure', 'always'];

/** Adds one task of each kind, which has its name. */
export function addEach(tasks: BackgroundTasks): void {
  WHENS.forEach((when) => tasks.addTask({ when, name: when }, () => undefined));
}
