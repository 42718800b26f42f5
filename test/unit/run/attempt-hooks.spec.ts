import { describe, expect, it, jest } from '@jest/globals';
import { AttemptHooks, type AroundAttempt } from '../../../lib/run/attempt-hooks.js';
import { currentTask } from '../../../lib/run/current-task.js';

const TASK = currentTask();
const ATTEMPT = { current: TASK, ended: Promise.resolve({ kind: 'completed' } as const) };

function hooksWith(...hooks: AroundAttempt[]) {
  const errors: unknown[] = [];
  const all = new AttemptHooks((error) => errors.push(error));
  const takeAway = hooks.map((hook) => all.add(hook));
  return { all, errors, takeAway };
}

/** A hook that leaves its marks around what it runs. */
const marking =
  (marks: string[], name: string): AroundAttempt =>
  (_, run) => {
    marks.push(`${name} in`);
    void run();
    marks.push(`${name} out`);
  };

describe('the hooks around attempts', () => {
  it('are none at first, and none when all are taken away', () => {
    const { all, takeAway } = hooksWith();
    expect([all.isEmpty, takeAway]).toEqual([true, []]);
    const remove = all.add(() => undefined);
    expect(all.isEmpty).toBe(false);
    remove();
    expect(all.isEmpty).toBe(true);
  });

  it('give what the body gives, also where there is none of them', () => {
    const promise = Promise.resolve();
    expect(hooksWith().all.around(ATTEMPT, () => promise)).toBe(promise);
    expect(hooksWith((_, run) => run()).all.around(ATTEMPT, () => promise)).toBe(promise);
  });

  it('throw what the body throws, and do not take it for an error of a hook', () => {
    const error = new Error('body');
    const { all, errors } = hooksWith((_, run) => run());
    expect(() =>
      all.around(ATTEMPT, () => {
        throw error;
      }),
    ).toThrow(error);
    expect(errors).toEqual([]);
  });

  it('are called once each, the first one outermost, with the task', () => {
    const marks: string[] = [];
    const seen = jest.fn<AroundAttempt>((_, run) => run());
    const { all } = hooksWith(marking(marks, 'a'), seen, marking(marks, 'b'));
    all.around(ATTEMPT, () => marks.push('body'));
    expect(marks).toEqual(['a in', 'b in', 'body', 'b out', 'a out']);
    expect(seen.mock.calls.map(([task]) => task)).toEqual([TASK]);
  });

  it('are taken away one by one, those that stay go on', () => {
    const marks: string[] = [];
    const { all, takeAway } = hooksWith(marking(marks, 'a'), marking(marks, 'b'));
    takeAway[0]?.();
    all.around(ATTEMPT, () => undefined);
    expect(marks).toEqual(['b in', 'b out']);
  });

  it.each<[string, AroundAttempt]>([
    [
      'before',
      () => {
        throw new Error('hook');
      },
    ],
    [
      'after',
      (_, run) => {
        void run();
        throw new Error('hook');
      },
    ],
  ])('are told on where they throw %s the body, and those inside run once', (_, broken) => {
    const marks: string[] = [];
    const { all, errors } = hooksWith(broken, marking(marks, 'inner'));
    all.around(ATTEMPT, () => marks.push('body'));
    expect(marks).toEqual(['inner in', 'body', 'inner out']);
    expect(errors).toMatchObject([{ message: 'hook' }]);
  });

  it.each<[string, AroundAttempt]>([
    ['before', async () => Promise.reject(new Error('hook'))],
    [
      'after',
      async (_, run) => {
        void run();
        await Promise.resolve();
        throw new Error('hook');
      },
    ],
  ])('are told on where they reject %s the body', async (_, broken) => {
    const marks: string[] = [];
    const { all, errors } = hooksWith(broken, marking(marks, 'inner'));
    all.around(ATTEMPT, () => marks.push('body'));
    // A rejection that nobody owns would be reported by now.
    await new Promise(setImmediate);
    expect(marks).toEqual(['inner in', 'body', 'inner out']);
    expect(errors).toMatchObject([{ message: 'hook' }]);
  });
});
