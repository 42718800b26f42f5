/** Checks of stored fields: a store may hold anything. */
export const Field = {
  text: (value: unknown) => typeof value === 'string' && value !== '',
  /** A time or a span, in milliseconds. */
  time: (value: unknown) => Number.isFinite(value),
  count: (value: unknown) => Number.isInteger(value) && (value as number) >= 0,
  object: (value: unknown) => typeof value === 'object' && value !== null,
} as const;

/** @throws Error that names the invalid field */
export function checked<T extends object>(
  record: T,
  fields: Readonly<Partial<Record<keyof T, (value: unknown) => boolean>>>,
): void {
  if (!Field.object(record)) {
    throw new Error('it is not a record');
  }
  for (const [name, isFit] of Object.entries<((value: unknown) => boolean) | undefined>(fields)) {
    const value = (record as Record<string, unknown>)[name];
    if (isFit?.(value) === false) {
      throw new Error(`its ${name} is ${describe(value)}`);
    }
  }
}

function describe(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value).slice(0, 100);
}
