import { describe, expect, it } from '@jest/globals';
import { BackgroundTasks, type TaskHandle } from '../../../lib/index.js';
import { FakeResponse } from '../support/fake-response.js';
import { createKit } from '../support/kit.js';

/**
 * Tasks of one request, which is answered well: `a` and `b` are in chains, `-` is in none. `!` is cancelled before
 * the next one is added, `f` is for a failure.
 */
const CASES = [
  ['continue', 'a! a - a', 'cancelled predecessor-failed completed predecessor-failed'],
  ['continue', 'a! b a b', 'cancelled completed predecessor-failed completed'],
  ['continue', 'af a -', 'request-succeeded predecessor-failed completed'],
  ['continue', 'a! af -f', 'cancelled predecessor-failed request-succeeded'],
  ['continue', '-! a -', 'cancelled completed completed'],
  ['continue', '- -f -', 'completed request-succeeded completed'],
  ['stop', '-! a -', 'cancelled predecessor-failed predecessor-failed'],
  ['stop', '- -! - -', 'completed cancelled predecessor-failed predecessor-failed'],
  ['stop', '- -f -', 'completed request-succeeded completed'],
  ['stop', 'af b - a', 'request-succeeded completed completed predecessor-failed'],
] as const;

async function endOf(handle: TaskHandle): Promise<string> {
  const outcome = await handle.whenSettled();
  return outcome.status === 'dropped' ? outcome.reason : outcome.status;
}

describe('P2, P3: behind a gap in the tasks of a request', () => {
  it.each(CASES)('onFailure %s: %s ends as %s', async (onFailure, added, expected) => {
    const { clock, intake, requests } = createKit({ request: { onFailure } });
    const response = new FakeResponse();
    const tasks = new BackgroundTasks(intake, requests.begin({ response }), true);
    const lines = { a: tasks.chain(), b: tasks.chain(), '-': tasks };
    const handles: TaskHandle[] = [];
    for (const [line = '-', fate] of added.split(' ')) {
      const when = fate === 'f' ? 'failure' : 'success';
      const handle = lines[line as keyof typeof lines].addTask({ when }, () => undefined);
      await (fate === '!' && handle.cancel());
      handles.push(handle);
    }
    response.answer();
    await clock.settle();
    expect((await Promise.all(handles.map(endOf))).join(' ')).toBe(expected);
  });
});
