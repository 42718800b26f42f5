/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  Background,
  BackgroundMethodError,
  type BackgroundTasksOptions,
  type TaskHandle,
  type TaskOptions,
} from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { inTurn } from '../support/probe.js';
import { statuses } from '../support/tasks.js';

@Injectable()
class Mailer {
  readonly runs: unknown[][] = [];
  readonly errors: (Error | undefined)[] = [];
  work = (): Promise<void> => Promise.resolve();

  @Background({ batch: { size: 4, wait: '100ms' } })
  async send(ids: unknown[]): Promise<void> {
    this.runs.push(ids);
    await this.work();
    const error = this.errors.shift();
    if (error !== undefined) {
      throw error;
    }
  }

  @Background({ batch: { size: 4, wait: 100 }, concurrencyKey: ([id]: string[]) => id[0] })
  async sendByTenant(ids: string[]): Promise<void> {
    this.runs.push(ids);
    await this.work();
  }
}

async function createMailer(options: BackgroundTasksOptions = {}) {
  const app = await createApp({ providers: [Mailer] }, options);
  const mailer = app.module.get(Mailer);
  return {
    ...app,
    mailer,
    /** One call for each array. */
    send: (...calls: unknown[][]): TaskHandle[] =>
      calls.map((ids) => app.runner.addTask(mailer.send, ids)),
    sendWith: (options_: TaskOptions, ...ids: unknown[]): TaskHandle =>
      app.runner.addTask(options_, mailer.send, ids),
  };
}

describe('batched calls', () => {
  it.each([
    ['run at once if there are enough items', [[1], [2], [3], [4], [5], [6]], [1, 2, 3, 4], [5, 6]],
    [
      'are never split: one that does not fit begins the next run',
      [
        [1, 2, 3],
        [4, 5],
      ],
      [1, 2, 3],
      [4, 5],
    ],
  ])('%s', async (_, calls, first, second) => {
    const { clock, mailer, send } = await createMailer();
    send(...calls);
    await clock.settle();
    expect(mailer.runs).toEqual([first]);
    await clock.advance(100);
    expect(mailer.runs).toEqual([first, second]);
  });

  it('each settle with the run, and have events of their own', async () => {
    const { clock, mailer, send, record, runner } = await createMailer();
    const events = record();
    mailer.work = () => clock.sleep(10);
    const handles = send([1], [2]);
    await clock.advance(105);
    expect(statuses(handles)).toEqual(['running', 'running']);
    await clock.advance(5);
    const outcome = { status: 'completed', attempts: 1, durationMs: 10 };
    expect(await Promise.all(handles.map((each) => each.whenSettled()))).toEqual([
      outcome,
      outcome,
    ]);
    for (const { id } of handles) {
      expect(events.filter((event) => event.id === id).map(({ type }) => type)).toEqual([
        'added',
        'queued',
        'started',
        'completed',
      ]);
    }
    expect((await runner.stats()).tasks['Mailer.send']).toMatchObject({ added: 2, completed: 2 });
  });
});

/** Each time another function, which is never asked: nothing fails. */
const asking = (option: 'retryIf' | 'backoff'): TaskOptions => ({
  retry: { attempts: 2, [option]: () => 0 },
});

describe('batched calls that cannot share a run', () => {
  it.each<[string, TaskOptions, TaskOptions]>([
    ['another queue', {}, { queue: 'other' }],
    ['another retry policy', {}, { retry: { attempts: 7 } }],
    ['another function for retryIf', asking('retryIf'), asking('retryIf')],
    ['another function for backoff', asking('backoff'), asking('backoff')],
    ['another concurrencyKey', {}, { concurrencyKey: 'k' }],
  ])('run apart: %s', async (_, one, other) => {
    const { clock, mailer, sendWith } = await createMailer({ queues: { other: {} } });
    [one, other, { ...other }, one].forEach((options, index) => void sendWith(options, index));
    await clock.advance(100);
    expect(mailer.runs).toHaveLength(2);
    expect(mailer.runs).toEqual(
      expect.arrayContaining([
        [0, 3],
        [1, 2],
      ]),
    );
  });

  it('run apart: calls of different tenants, which never share a slot', async () => {
    const { clock, mailer, runner } = await createMailer();
    mailer.work = () => clock.sleep(1_000);
    ['a1', 'b1', 'a2', 'b2'].forEach((id) => runner.addTask(mailer.sendByTenant, [id]));
    await clock.advance(100);
    ['a3', 'b3'].forEach((id) => runner.addTask(mailer.sendByTenant, [id]));
    await clock.advance(100);
    expect(mailer.runs).toEqual([
      ['a1', 'a2'],
      ['b1', 'b2'],
    ]);
    await clock.advance(1_000);
    expect(mailer.runs.slice(2)).toEqual([['a3'], ['b3']]);
  });
});

describe('a call that gathers', () => {
  it('leaves nothing behind when it is cancelled: the next one waits for its whole time', async () => {
    const { clock, mailer, send } = await createMailer();
    const [first] = send([1]);
    await clock.advance(50);
    await first.cancel();
    send([2]);
    await clock.advance(99);
    expect(mailer.runs).toEqual([]);
    await clock.advance(1);
    expect(mailer.runs).toEqual([[2]]);
  });

  it('P13: waits for no others when the application closes, which waits for its run', async () => {
    const { clock, mailer, module, send } = await createMailer();
    mailer.work = () => clock.sleep(10);
    const handles = send([1]);
    const closed = module.close();
    await clock.settle();
    expect(mailer.runs).toEqual([[1]]);
    handles.push(...send([2]));
    await clock.settle();
    expect(mailer.runs).toEqual([[1], [2]]);
    await clock.advance(10);
    await closed;
    expect(statuses(handles)).toEqual(['completed', 'completed']);
  });
});

describe('a batch that fails', () => {
  const retry = { attempts: 3, delay: 50, jitter: 'none', backoff: 'fixed' } as const;

  it('is retried with the same calls, and does not wait for others', async () => {
    const { clock, mailer, send } = await createMailer({ retry });
    mailer.errors.push(new Error('1'), new Error('2'));
    const handles = send([1], [2]);
    await clock.advance(100);
    expect(statuses(handles)).toEqual(['retrying', 'retrying']);
    await clock.advance(10);
    send([3]);
    await clock.advance(1_000);
    expect(mailer.runs).toEqual([[1, 2], [1, 2], [1, 2], [3]]);
    expect(await handles[1].whenSettled()).toMatchObject({ status: 'completed', attempts: 3 });
  });

  it('is retried at its time without the call that was cancelled meanwhile', async () => {
    const { clock, mailer, send } = await createMailer({ retry });
    mailer.errors.push(new Error('1'));
    const [first] = send([1], [2], [3]);
    await clock.advance(100);
    await first.cancel();
    await clock.advance(49);
    expect(mailer.runs).toEqual([[1, 2, 3]]);
    await clock.advance(1);
    expect(mailer.runs).toEqual([
      [1, 2, 3],
      [2, 3],
    ]);
  });

  it('fails each of its calls with the error of the last attempt', async () => {
    const { clock, mailer, send, logger } = await createMailer();
    const error = new Error('no');
    mailer.errors.push(error);
    const handles = send([1], [2]);
    await clock.advance(100);
    const outcomes = await Promise.all(handles.map((each) => each.whenSettled()));
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'failed', attempts: 1 });
      expect((outcome as { error: unknown }).error).toBe(error);
    }
    expect(logger.of('error')).toHaveLength(2);
  });
});

describe('batched calls of requests', () => {
  it('are merged within one request, as many as fit, and its next task runs behind them', async () => {
    const { clock, mailer, handle, probe } = await createMailer();
    mailer.work = probe.body('batch', 10);
    await handle(async (tasks) => {
      for (const id of [1, 2, 3, 4, 5]) {
        await mailer.send([id]);
      }
      tasks.addTask(probe.body('behind'));
      await mailer.send([6]);
    });
    await clock.advance(10);
    expect(mailer.runs).toEqual([[1, 2, 3, 4]]);
    await clock.advance(1_000);
    expect(mailer.runs).toEqual([[1, 2, 3, 4], [5], [6]]);
    expect(probe.log).toEqual(inTurn('batch', 'batch', 'behind', 'batch'));
  });

  it('are merged across requests, and each of these goes on behind them', async () => {
    const { clock, mailer, handle, probe } = await createMailer();
    for (const id of [1, 2]) {
      await handle((tasks) => {
        tasks.addTask(mailer.send, [id]);
        tasks.addTask(probe.body(`behind ${id}`));
      });
    }
    await clock.advance(100);
    expect([mailer.runs, probe.begun]).toEqual([[[1, 2]], ['behind 1', 'behind 2']]);
  });

  it.each<[string, TaskOptions, number[]]>([
    ['it is too large', {}, [2, 3, 4, 5]],
    ['it is of another queue', { queue: 'other' }, [2]],
  ])('wait for those before them that they cannot run with: %s', async (_, options, ids) => {
    const { clock, mailer, handle, sendWith } = await createMailer({ queues: { other: {} } });
    mailer.work = () => clock.sleep(10);
    sendWith({ queue: 'other' }, 0);
    await handle((tasks) => {
      tasks.addTask(mailer.send, [1]);
      tasks.addTask(options, mailer.send, ids);
    });
    await clock.advance(109);
    expect(mailer.runs).toEqual([[0], [1]]);
    await clock.advance(1_000);
    expect(mailer.runs).toEqual([[0], [1], ids]);
  });

  it.each([0, 1, 2])('keep their place in the line when number %i is cancelled', async (index) => {
    const { clock, mailer, handle, probe, runner } = await createMailer();
    mailer.work = probe.body('batch', 10);
    const handles = await handle((tasks) => {
      const added = [1, 2, 3].map((id) => tasks.addTask(mailer.send, [id]));
      return [...added, tasks.addTask(probe.body('behind'))];
    });
    await clock.advance(50);
    expect(await handles[index].cancel()).toBe(true);
    const listed = await runner.list();
    expect(listed.map(({ id }) => id).toSorted()).toEqual(handles.map(({ id }) => id).toSorted());
    await clock.advance(49);
    expect(probe.log).toEqual([]);
    await clock.advance(100);
    expect(mailer.runs).toEqual([[1, 2, 3].filter((id) => id !== index + 1)]);
    expect(probe.log).toEqual(inTurn('batch', 'behind'));
  });

  it('are not merged within a chain, where each needs the one before', async () => {
    const { clock, mailer, handle } = await createMailer();
    mailer.errors.push(undefined, new Error('no'));
    const handles = await handle((tasks) => {
      const chain = tasks.chain();
      return [1, 2, 3].map((id) => chain.addTask(mailer.send, [id]));
    });
    await clock.advance(1_000);
    expect(mailer.runs).toEqual([[1], [2]]);
    expect(statuses(handles)).toEqual(['completed', 'failed', 'dropped']);
  });
});

describe('a batched method', () => {
  it.each<[string, unknown[]]>([
    ['something that is no array', ['one']],
    ['two arguments', [[1], [2]]],
  ])('refuses %s', async (_, args) => {
    const { clock, mailer, runner } = await createMailer();
    const send = mailer.send as (...all: unknown[]) => Promise<void>;
    const message = '@Background() on Mailer.send: with `batch` it takes exactly one array.';
    expect(() => runner.addTask(send, ...args)).toThrow(BackgroundMethodError);
    expect(() => runner.addTask(send, ...args)).toThrow(message);
    await expect(async () => send.apply(mailer, args)).rejects.toThrow(message);
    await clock.advance(1_000);
    expect([mailer.runs, await runner.list()]).toEqual([[], []]);
  });
});
