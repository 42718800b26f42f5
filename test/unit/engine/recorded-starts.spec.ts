import { describe, expect, it } from '@jest/globals';
import type { EngineFactory } from '../../../lib/engine/engine.js';
import { MemoryEngine } from '../../../lib/engine/memory/memory.engine.js';
import { Deferred } from '../support/deferred.js';
import { createKit } from '../support/kit.js';

/** A kit whose engine records each start first; the test decides when that is done. */
function createRecording() {
  const starts: Deferred[] = [];
  const engine: EngineFactory = {
    engine: 'recording',
    create: (setting) =>
      new MemoryEngine(setting, {
        starting: () => {
          const start = new Deferred();
          starts.push(start);
          return start.promise;
        },
        retrying: () => undefined,
        changed: () => undefined,
        kept: () => false,
        settled: () => false,
      }),
  };
  const kit = createKit({ engine });
  const figures = async () => (await kit.runner.stats()).tasks['a'];
  return { ...kit, starts, figures };
}

describe('P17: an attempt whose start is being recorded', () => {
  it('is not counted as running where its task is cancelled meanwhile', async () => {
    const { clock, figures, runner, starts } = createRecording();
    const handle = runner.addTask({ name: 'a' }, () => undefined);
    await clock.settle();
    expect(await figures()).toMatchObject({ running: 0, pending: 1 });
    await handle.cancel();
    starts[0]?.resolve();
    await clock.settle();
    expect(await figures()).toMatchObject({ running: 0, pending: 0, cancelled: 1 });
  });

  it('is not counted as failed where that fails, but said to be put off', async () => {
    const { clock, figures, logger, record, runner, starts } = createRecording();
    const events = record();
    const handle = runner.addTask({ name: 'a' }, () => undefined);
    await clock.settle();
    starts[0]?.reject(new Error('the disk is full'));
    await clock.settle();
    expect(await figures()).toMatchObject({ running: 0, pending: 1, retried: 0 });
    expect(logger.of('warn')).toEqual([
      `Task a (${handle.id}) was put off by 1000 ms: its start could not be recorded: ` +
        'Error: the disk is full',
    ]);
    await clock.advance(1_000);
    starts[1]?.resolve();
    await clock.settle();
    expect(await figures()).toMatchObject({ running: 0, pending: 0, completed: 1 });
    expect(events.map(({ type }) => type)).toEqual(['added', 'queued', 'started', 'completed']);
  });

  it('is not counted as running where it is that of a retry', async () => {
    const { clock, figures, runner, starts } = createRecording();
    const retry = { attempts: 2, delay: 10, jitter: 'none' } as const;
    const handle = runner.addTask({ name: 'a', retry }, () => {
      throw new Error('no');
    });
    await clock.settle();
    starts[0]?.resolve();
    await clock.advance(10);
    expect(await figures()).toMatchObject({ running: 0, pending: 1, retried: 1 });
    await handle.cancel();
    starts[1]?.resolve();
    await clock.settle();
    expect(await figures()).toMatchObject({ running: 0, pending: 0, cancelled: 1, retried: 1 });
  });
});
