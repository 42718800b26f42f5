/**
 * `import { … } from 'nestjs-background-tasks/testing'`: a kit that shows and controls the tasks of
 * an application under test. Needs `@nestjs/testing`.
 *
 * @module testing
 */

export type { AddedTask } from './added-task.js';
export { BackgroundTasksTesting } from './background-tasks-testing.js';
export type { AttemptRecord } from './ledger.js';
export type { TestingMode, TestingOptions } from './testing-options.js';
