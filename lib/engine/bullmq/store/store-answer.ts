/** Whether it was the store that refused, by a code of BullMQ's: not the way to it. */
export function isAnswer(error: unknown): boolean {
  return typeof (error as { code?: unknown } | null)?.code === 'number';
}

/** PostgreSQL's answer to who connects while it starts or stops: `cannot_connect_now`. */
const CANNOT_CONNECT_NOW = '57P03';

/** Whether a command cannot have arrived, because there was nobody to connect to. */
export function isUnsent(error: unknown): boolean {
  const { syscall, code } = (error ?? {}) as { syscall?: unknown; code?: unknown };
  return syscall === 'connect' || code === CANNOT_CONNECT_NOW;
}
