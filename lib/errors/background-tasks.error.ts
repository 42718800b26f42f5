/**
 * Base of every error this library throws or reports. `code` is stable across releases and safe to
 * switch on; the message says what was wrong, where, and what to do about it.
 */
export abstract class BackgroundTasksError extends Error {
  /** What went wrong, for programs: stable across releases. Meanings and remedies: docs/errors.md. */
  abstract readonly code: `BGT_${string}`;

  /** @internal A TemporaryError counts, too, though it must extend a class of Nest's. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return (
      Function.prototype[Symbol.hasInstance].call(this, value) ||
      (this === BackgroundTasksError &&
        value instanceof Error &&
        String(Reflect.get(value, 'code')).startsWith('BGT_'))
    );
  }

  /** The name of the error's class. @hidden */
  override get name(): string {
    return this.constructor.name;
  }
}
