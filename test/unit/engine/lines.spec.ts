import { describe, expect, it, jest } from '@jest/globals';
import type { BackgroundTasks, TaskHandle } from '../../../lib/index.js';
import { createKit, type Kit } from '../support/kit.js';

/** Long enough that a recursion over the line would not survive it. */
const LONG = 20_000;

interface Watched {
  readonly handles: TaskHandle[];
  /** What began and what ended, in order. */
  readonly log: string[];
}

/** One request with tasks of these names; each takes 10 ms. */
function watchedTasks({ clock, handle }: Kit, names: readonly string[]): Promise<Watched> {
  const log: string[] = [];
  return handle((tasks) => ({
    log,
    handles: names.map((name) =>
      tasks.addTask(async () => {
        log.push(`${name} begins`);
        await clock.sleep(10);
        log.push(`${name} ends`);
        if (name.startsWith('bad')) {
          throw new Error(name);
        }
      }),
    ),
  }));
}

const statuses = (handles: readonly TaskHandle[]) => handles.map(({ status }) => status);

describe('P2: the tasks of one request', () => {
  it('start together with order: concurrent', async () => {
    const kit = createKit({ request: { order: 'concurrent' } });
    const { log } = await watchedTasks(kit, ['a', 'bad', 'c']);
    await kit.clock.advance(1e6);
    expect(log.slice(0, 3)).toEqual(['a begins', 'bad begins', 'c begins']);
  });

  it('wait in their order across queues', async () => {
    const kit = createKit({ queues: { mails: {} } });
    const log: string[] = [];
    await kit.handle((tasks) => {
      for (const queue of ['default', 'mails', 'default', 'mails']) {
        tasks.addTask({ queue }, async () => {
          log.push(`${queue} begins`);
          await kit.clock.sleep(10);
          log.push(`${queue} ends`);
        });
      }
    });
    await kit.clock.advance(1e6);
    expect(log).toEqual(
      ['default', 'mails', 'default', 'mails'].flatMap((queue) => [
        `${queue} begins`,
        `${queue} ends`,
      ]),
    );
  });

  it('do not wait for one that is to start later', async () => {
    const kit = createKit();
    const log: string[] = [];
    await kit.handle((tasks) => {
      tasks.addTask(() => log.push('first'));
      tasks.addTask({ delay: '1m' }, () => log.push('delayed'));
      tasks.addTask(() => log.push('last'));
    });
    await kit.clock.settle();
    expect(log).toEqual(['first', 'last']);
    await kit.clock.advance(60_000);
    expect(log).toEqual(['first', 'last', 'delayed']);
  });
});

describe('onFailure: stop', () => {
  const stop = { request: { onFailure: 'stop' } } as const;

  it('drops the tasks after a failed one, audibly', async () => {
    const kit = createKit(stop);
    const events = kit.record();
    const { handles } = await watchedTasks(kit, ['a', 'bad', 'c', 'd']);
    await kit.clock.advance(1e6);
    expect(statuses(handles)).toEqual(['completed', 'failed', 'dropped', 'dropped']);
    const [, , third, fourth] = handles as [TaskHandle, TaskHandle, TaskHandle, TaskHandle];
    expect(events.filter(({ type }) => type === 'dropped')).toMatchObject([
      { id: third.id, reason: 'predecessor-failed' },
      { id: fourth.id, reason: 'predecessor-failed' },
    ]);
    expect(await third.whenSettled()).toEqual({ status: 'dropped', reason: 'predecessor-failed' });
    expect(kit.logger.of('warn')).toEqual(
      [third, fourth].map(
        ({ name, id }) => `Task ${name} (${id}) was dropped: a task before it did not complete`,
      ),
    );
  });

  it('makes tasks wait for a delayed one too: they depend on it', async () => {
    const kit = createKit(stop);
    const log: string[] = [];
    await kit.handle((tasks) => {
      tasks.addTask({ delay: '1m' }, () => log.push('delayed'));
      tasks.addTask(() => log.push('last'));
    });
    await kit.clock.settle();
    expect(log).toEqual([]);
    await kit.clock.advance(60_000);
    expect(log).toEqual(['delayed', 'last']);
  });

  it('drops those after one that was cancelled in its line, and not the one before', async () => {
    const kit = createKit(stop);
    const { handles } = await watchedTasks(kit, ['a', 'b', 'c', 'd']);
    await kit.clock.settle();
    await handles[1]?.cancel();
    await kit.clock.advance(1e6);
    expect(statuses(handles)).toEqual(['completed', 'cancelled', 'dropped', 'dropped']);
  });

  it('keeps the outcome of one that was cancelled before its predecessor failed', async () => {
    const kit = createKit(stop);
    const { handles } = await watchedTasks(kit, ['bad', 'b']);
    await kit.clock.settle();
    await handles[1]?.cancel();
    await kit.clock.advance(1e6);
    expect(statuses(handles)).toEqual(['failed', 'cancelled']);
  });

  it('drops a line of any length', async () => {
    const kit = createKit(stop);
    const handles = await addMany(kit, (tasks) => tasks.addTask(() => Promise.reject(new Error())));
    await kit.clock.settle();
    expect(countsOf(handles)).toEqual({ failed: 1, dropped: LONG });
  });
});

describe('a task cancelled in the middle of its line', () => {
  it('is passed over, and those after it still wait for those before it', async () => {
    const kit = createKit();
    const { handles, log } = await watchedTasks(kit, ['a', 'b', 'c']);
    await kit.clock.settle();
    expect(await handles[1]?.cancel()).toBe(true);
    await kit.clock.settle();
    expect(statuses(handles)).toEqual(['running', 'cancelled', 'queued']);
    await kit.clock.advance(1e6);
    expect(log).toEqual(['a begins', 'a ends', 'c begins', 'c ends']);
  });

  it('lets the line go on where it was the one that ran', async () => {
    const kit = createKit();
    const { handles } = await watchedTasks(kit, ['a', 'b']);
    await kit.clock.settle();
    await handles[0]?.cancel();
    await kit.clock.advance(1e6);
    expect(statuses(handles)).toEqual(['cancelled', 'completed']);
  });
});

describe('a line of any length', () => {
  it('runs to its end', async () => {
    const kit = createKit();
    const handles = await addMany(kit, (tasks) => tasks.addTask(() => undefined));
    await kit.clock.settle();
    expect(countsOf(handles)).toEqual({ completed: LONG + 1 });
  });

  it('is abandoned as a whole when it is released after the engine has stopped', async () => {
    const kit = createKit();
    const body = jest.fn();
    const handles = await kit.handle(async (tasks) => {
      const added = Array.from({ length: LONG + 1 }, () => tasks.addTask(body));
      await kit.engine.stop(0);
      return added;
    });
    await kit.clock.settle();
    expect(countsOf(handles)).toEqual({ abandoned: LONG + 1 });
    expect(body).not.toHaveBeenCalled();
  });
});

function addMany(kit: Kit, add: (tasks: BackgroundTasks) => TaskHandle): Promise<TaskHandle[]> {
  return kit.handle((tasks) => Array.from({ length: LONG + 1 }, () => add(tasks)));
}

function countsOf(handles: readonly TaskHandle[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status } of handles) {
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}
