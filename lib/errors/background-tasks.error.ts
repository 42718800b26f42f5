/**
 * Base of every error this library throws or reports. `code` is stable across releases and safe to
 * switch on; the message says what was wrong, where, and what to do about it.
 */
export abstract class BackgroundTasksError extends Error {
  abstract readonly code: `BGT_${string}`;

  override get name(): string {
    return this.constructor.name;
  }
}
