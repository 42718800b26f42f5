export type { AddedTask } from './added-task.js';
export { BackgroundTasksTesting } from './background-tasks-testing.js';
export type { AttemptRecord } from './ledger.js';
export type { TestingMode, TestingOptions } from './testing-options.js';
