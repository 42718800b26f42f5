const COPIES = Symbol.for('nestjs-background-tasks:copies');

/** Calls `body` as if another copy of the package, which has an application, were in the process. */
export async function besideAnotherCopy(body: () => Promise<void> | void): Promise<void> {
  const copies = (globalThis as unknown as Record<symbol, Map<string, () => number>>)[COPIES];
  copies?.set('/app/other/nestjs-background-tasks/dist', () => 1);
  try {
    await body();
  } finally {
    copies?.delete('/app/other/nestjs-background-tasks/dist');
  }
}
