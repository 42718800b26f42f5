/** Option names of other libraries, above all of BullMQ, and what to write here instead. */
const HABITS: Readonly<Record<string, (value: unknown) => string>> = {
  attempts: (value) => `Write retry: { attempts: ${shown(value, 3)} }.`,
  retries: (value) =>
    `Write retry: { attempts: ${typeof value === 'number' ? value + 1 : 3} }; the first attempt counts.`,
  maxRetries: (value) => String(insteadOf('retries', value)),
  backoff: (value) => `Write retry: { attempts: 3, ${backoffOf(value)} }.`,
  jobId: () => 'Write dedupe: { key }: one run for calls with the same key.',
  deduplication: () => 'Write dedupe: { key, window }: one run for calls with the same key.',
  debounce: () => 'Write dedupe: { key, window }: one run for calls with the same key.',
  repeat: () => 'Write @Background({ cron }) or @Background({ every }).',
  pattern: () => 'Write cron: it takes the same expressions.',
  tz: () => "Write timeZone: 'Europe/Berlin'.",
  rate: () => 'Pass it behind the filter: retryAll(filter, { rate: 100 }).',
  lifo: () => "Write priority: 'high'.",
  concurrency: () => 'It is an option of a queue: queues: { name: { concurrency } }.',
  limiter: () => "Write rateLimit: { max, per: '1s' }; it is an option of a queue.",
  removeOnComplete: () => 'Write remember; it is an option of the module.',
  removeOnFail: () => 'Write keep: { count, age }; it is an option of the module.',
};

/** What to write in place of an option of other libraries; `undefined` for an unknown one. */
export function insteadOf(key: string, value: unknown): string | undefined {
  return Object.hasOwn(HABITS, key) ? HABITS[key]?.(value) : undefined;
}

/** BullMQ's `{ type, delay }` as options of `retry`. */
export function backoffOf(value: unknown): string {
  const { type = 'exponential', delay = 1000 } = Object(value) as Record<string, unknown>;
  return `backoff: '${type === 'fixed' ? 'fixed' : 'exponential'}', delay: ${shown(
    typeof value === 'number' ? value : delay,
    1000,
  )}`;
}

function shown(value: unknown, otherwise: number): string {
  return String(typeof value === 'number' ? value : otherwise);
}
