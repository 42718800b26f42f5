/** Whether it was the store that refused, by a code of BullMQ's: not the way to it. */
export function isAnswer(error: unknown): boolean {
  return typeof (error as { code?: unknown } | null)?.code === 'number';
}
