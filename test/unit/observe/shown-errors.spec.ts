import { inspect } from 'node:util';
import { instanceToPlain } from 'class-transformer';
import { describe, expect, it } from '@jest/globals';
import { createKit } from '../support/kit.js';

/** What an HTTP client throws: its request is in it, and it says so when it is written down. */
function axiosError(): Error {
  const config = { headers: { authorization: 'Bearer s3cret' } };
  const error = new Error('Request failed');
  return Object.assign(error, { code: 'E_BAD', config, toJSON: () => ({ config }) });
}

describe('O9: the error of a task', () => {
  it('is its text where tasks are listed, and what was thrown for who waits', async () => {
    const { clock, runner } = createKit();
    const error = axiosError();
    const handle = runner.addTask(() => Promise.reject(error));
    const { id } = handle;
    await clock.settle();
    const shown = {
      error: {
        name: 'Error',
        message: 'Request failed',
        code: 'E_BAD',
        stack: expect.stringMatching(/^Error: Request failed\n {4}at /),
      },
    };
    const [listed] = await runner.list({ status: 'failed' });
    expect(listed).toMatchObject({ outcome: shown });
    expect(instanceToPlain(listed)).toMatchObject({ outcome: shown });
    expect(await runner.get(id)).toMatchObject({ outcome: shown });
    const outcome = await handle.whenSettled();
    expect(outcome).toEqual({ status: 'failed', attempts: 1, durationMs: 0, error });
    expect(JSON.parse(JSON.stringify(outcome))).toMatchObject(shown);
    for (const text of [JSON.stringify([listed, outcome]), inspect([listed, outcome])]) {
      expect(text).not.toContain('s3cret');
    }
  });

  it('is what was thrown in an event, and its text where the event is written down', async () => {
    const { clock, runner, record } = createKit({ retry: { attempts: 2 } });
    const events = record();
    const error = axiosError();
    runner.addTask(() => Promise.reject(error));
    await clock.advance(1e6);
    const failures = events.filter((event) => 'error' in event);
    expect(failures.map((event) => [event.type, event.error])).toEqual([
      ['retrying', error],
      ['failed', error],
    ]);
    expect(inspect(failures) + JSON.stringify(failures)).not.toContain('s3cret');
    expect(JSON.stringify(failures)).toContain('"message":"Request failed","code":"E_BAD"');
  });
});
