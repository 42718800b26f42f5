import { describe, expect, it } from '@jest/globals';
import { createKit } from '../support/kit.js';
import { HOSTILE_VALUES } from '../support/hostile-values.js';

describe('the log', () => {
  it('has name, id, attempts, duration, error and stack of a last failure', async () => {
    const { clock, runner, logger } = createKit();
    const error = new TypeError('no connection');
    const handle = runner.addTask({ name: 'mail' }, async () => {
      await clock.sleep(1234);
      throw error;
    });
    await clock.advance(1e6);
    expect(logger.lines).toEqual([
      {
        level: 'error',
        message:
          `Task mail (${handle.id}) failed after 1 attempt, the last one of 1234 ms: ` +
          `TypeError: no connection\n${error.stack}`,
        rest: [],
      },
    ]);
  });

  it('has a warning for each attempt before, and one error for the last', async () => {
    const { clock, runner, logger } = createKit({
      retry: { attempts: 3, delay: '1s', jitter: 'none' },
    });
    const { id } = runner.addTask({ name: 'mail' }, () => Promise.reject(new Error('no')));
    await clock.advance(1e6);
    expect(logger.of('warn')).toEqual([
      `Task mail (${id}) failed in attempt 1 of 3, the next one follows in 1000 ms: Error: no`,
      `Task mail (${id}) failed in attempt 2 of 3, the next one follows in 2000 ms: Error: no`,
    ]);
    expect(logger.of('error')).toEqual([
      expect.stringMatching(
        new RegExp(
          `^Task mail \\(${id}\\) failed after 3 attempts, the last one of 0 ms: Error: no\nError`,
        ),
      ),
    ]);
  });

  it.each(HOSTILE_VALUES)('has a line for a task that threw %s', async (_, make) => {
    const { clock, runner, logger } = createKit();
    const value = make();
    const { id } = runner.addTask({ name: 'mail' }, () => {
      throw value;
    });
    await clock.settle();
    expect(logger.of('error')).toEqual([
      expect.stringMatching(
        new RegExp(`^Task mail \\(${id}\\) failed after 1 attempt, the last one of 0 ms: .+`),
      ),
    ]);
  });

  it('warns of a task that its request dropped, but not of one that waited for a failure', async () => {
    const { handle, logger } = createKit();
    const failing = handle((tasks) => {
      tasks.addTask({ name: 'mail' }, () => undefined);
      throw new Error('refused');
    });
    await expect(failing).rejects.toThrow('refused');
    await handle((tasks) => tasks.addTask({ name: 'audit', when: 'failure' }, () => undefined));
    expect(logger.of('warn')).toEqual([
      expect.stringMatching(
        /^Task mail \(.+\) was dropped: the handler of its request did not complete$/,
      ),
    ]);
    expect(logger.of('debug')).toEqual([
      expect.stringMatching(
        /^Task audit \(.+\) was dropped: the handler of its request completed$/,
      ),
    ]);
  });

  it('may be without debug()', async () => {
    const { handle, logger } = createKit();
    Object.defineProperty(logger, 'debug', { value: undefined });
    const added = await handle((tasks) => tasks.addTask({ when: 'failure' }, () => undefined));
    expect(added.status).toBe('dropped');
  });
});

describe('a logger that throws', () => {
  it('costs a failed task neither its slot nor its listeners', async () => {
    const { clock, runner, logger, record } = createKit({
      queues: { default: { concurrency: 1 } },
    });
    const events = record();
    logger.error = () => {
      throw new Error('disk full');
    };
    const failed = runner.addTask(() => Promise.reject(new Error('no')));
    const next = runner.addTask(() => undefined);
    await clock.settle();
    expect([failed.status, next.status]).toEqual(['failed', 'completed']);
    expect(events.filter(({ type }) => type === 'failed')).toHaveLength(1);
  });
});
