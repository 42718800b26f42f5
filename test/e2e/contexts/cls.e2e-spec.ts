import { expect, it } from '@jest/globals';
import { onEachPlatform } from '../support/platforms.js';
import { runProcess } from '../support/process.js';

interface Traced {
  /** What one task saw on its attempts. */
  readonly retried: string[];
  /** What the tasks of requests that were served together saw. */
  readonly together: string[];
  /** Whether the stores of two requests have been kept: one's task has settled, one's waits. */
  readonly isInMemory: { readonly ofRetried: boolean; readonly ofTomorrow: boolean };
}

onEachPlatform(({ name }) => {
  it('P7: the request id of nestjs-cls is there on every attempt, and gone once the task has settled', async () => {
    const ended = await runProcess('cls-requests.ts', [name]);
    expect(ended).toMatchObject({ code: 0, errors: '' });
    const { retried, together, isInMemory } = JSON.parse(ended.output) as Traced;

    expect(retried).toEqual([
      'attempt 1: alpha of acme',
      'attempt 1, later: alpha of acme',
      'attempt 2: alpha of acme',
      'attempt 2, later: alpha of acme',
      'attempt 3: alpha of acme',
      'attempt 3, later: alpha of acme',
    ]);
    expect(together.toSorted()).toEqual(
      Array.from({ length: 20 }, (_, number) => `plain: request-${number + 1} of acme`).toSorted(),
    );
    // What has yet to run keeps its own.
    expect(isInMemory).toEqual({ ofRetried: false, ofTomorrow: true });
  });
});
