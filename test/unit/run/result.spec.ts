import { describe, expect, it } from '@jest/globals';
import { currentTask } from 'nestjs-background-tasks';
import { createKit } from '../support/kit.js';

async function outcomeOf(body: () => unknown, options: object = {}) {
  const { clock, runner } = createKit();
  const handle = runner.addTask(options, body);
  const { id } = handle;
  await clock.advance(60_000);
  return { outcome: await handle.whenSettled(), info: await runner.get(id) };
}

describe('the result of a task', () => {
  it('is what a plain function returns: in its outcome, in the list and in the event', async () => {
    const { runner, clock } = createKit();
    const seen: unknown[] = [];
    runner.events.subscribe((event) => {
      if (event.type === 'completed') {
        seen.push(event.result);
      }
    });
    const handle = runner.addTask(async (one: number, other: number) => one + other, 1, 2);
    const { id } = handle;
    await clock.advance(1);
    const outcome = await handle.whenSettled();
    // It is a number for the compiler, too.
    const sum: number | undefined = outcome.status === 'completed' ? outcome.result : undefined;
    expect(sum).toBe(3);
    expect(await runner.get(id)).toMatchObject({ result: 3, outcome: { result: 3 } });
    expect(seen).toEqual([3]);
  });

  it('is what the body hands over, the last value of the attempt that completes', async () => {
    const { outcome } = await outcomeOf(
      () => {
        const { attempt, result } = currentTask();
        result(attempt === 1 ? 'first' : undefined);
        if (attempt === 1) {
          throw new Error('not yet');
        }
        result({ rows: 1 });
        result({ rows: 2 });
      },
      { retry: { attempts: 2, delay: 1 } },
    );
    expect(outcome).toMatchObject({ attempts: 2, result: { rows: 2 } });
  });

  it('of an attempt that failed is gone', async () => {
    const { outcome } = await outcomeOf(
      () => {
        if (currentTask().attempt === 1) {
          currentTask().result('of the first attempt');
          throw new Error('not yet');
        }
      },
      { retry: { attempts: 2, delay: 1 } },
    );
    expect(outcome).toEqual({ status: 'completed', attempts: 2, durationMs: expect.any(Number) });
  });

  it.each([
    ['a date', () => ({ at: new Date() }), /result\.at is a Date/],
    ['a class instance', () => new URL('http://127.0.0.1'), /result is a URL/],
    ['a function', () => () => 1, /result is a function/],
    ['too long a text', () => 'x'.repeat(70_000), /takes 70002 bytes, and 65536 are allowed/],
    ['too many values', () => Array.from({ length: 1e6 }, () => 0), /one value too many/],
  ])(
    'cannot be %s: handed over it is an error, returned it is not kept',
    async (_, make, message) => {
      const handedOver = await outcomeOf(() => currentTask().result(make()));
      expect(handedOver.outcome).toMatchObject({
        status: 'failed',
        error: { code: 'BGT_RESULT', message: expect.stringMatching(message) },
      });
      const returned = await outcomeOf(make);
      expect(returned.info?.result).toBeUndefined();
    },
  );
});
