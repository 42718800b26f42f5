/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Background, type TaskEvent, type TaskHandle } from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { statuses } from '../support/tasks.js';

/** What was announced of a task, in order. */
function announcedOf(handle: TaskHandle, events: readonly TaskEvent[]): string[] {
  return events.filter(({ id }) => id === handle.id).map(({ type }) => type);
}

describe('cancel()', () => {
  it('in a listener of another task’s end finds the slot free', async () => {
    const { clock, runner, probe } = await createApp(
      {},
      { queues: { default: { concurrency: 1 } } },
    );
    const handles = ['1', '2', '3'].map((name) => runner.addTask(probe.body(name, 10)));
    runner.events.subscribe(({ type, id }) => {
      if (type === 'completed' && id === handles[0].id) {
        void handles[1].cancel();
      }
    });
    await clock.advance(100);
    expect(statuses(handles)).toEqual(['completed', 'cancelled', 'completed']);
  });
});

describe('cancel() of a batched call', () => {
  @Injectable()
  class Mailer {
    readonly runs: number[][] = [];
    failures = 0;
    work = (): Promise<void> => Promise.resolve();

    @Background({
      batch: { size: 3, wait: 10 },
      retry: { attempts: 3, delay: 100, jitter: 'none' },
    })
    async send(ids: number[]): Promise<void> {
      this.runs.push(ids);
      await this.work();
      if (this.failures-- > 0) {
        throw new Error('no');
      }
    }
  }

  async function createMailer() {
    const app = await createApp({ providers: [Mailer] });
    const mailer = app.module.get(Mailer);
    const add = (...ids: number[]) => ids.map((id) => app.runner.addTask(mailer.send, [id]));
    return { ...app, mailer, add, events: app.record() };
  }

  it.each(
    [0, 1, 2].flatMap((index) => ['its slot', 'its retry'].map((what) => [index, what] as const)),
  )('takes number %i out of a batch that waits for %s', async (index, what) => {
    const { clock, runner, mailer, add } = await createMailer();
    const isRetried = what === 'its retry';
    mailer.failures = isRetried ? 1 : 0;
    await (isRetried ? runner.resume() : runner.pause());
    const handles = add(0, 1, 2);
    await clock.advance(50);
    expect(new Set(statuses(handles))).toEqual(new Set([isRetried ? 'retrying' : 'queued']));
    expect(await handles[index].cancel()).toBe(true);
    await runner.resume();
    await clock.advance(100);
    expect(mailer.runs.at(-1)).toEqual([0, 1, 2].filter((id) => id !== index));
    expect(mailer.runs).toHaveLength(isRetried ? 2 : 1);
    expect(statuses(handles)).toEqual(
      handles.map((_, id) => (id === index ? 'cancelled' : 'completed')),
    );
  });

  it('stops a run of this call alone', async () => {
    const { clock, mailer, add } = await createMailer();
    mailer.work = () => clock.sleep(1_000);
    const [alone] = add(0);
    await clock.advance(20);
    expect([alone.status, await alone.cancel(), alone.status]).toEqual([
      'running',
      true,
      'cancelled',
    ]);
  });

  it('in a listener of the end of a call of the same run is too late', async () => {
    const { clock, runner, add, events } = await createMailer();
    const handles = add(0, 1, 2);
    const answers: Promise<boolean>[] = [];
    runner.events.subscribe(({ type, id }) => {
      if (type === 'completed' && id === handles[0].id) {
        answers.push(...handles.map((each) => each.cancel()));
      }
    });
    await clock.advance(10);
    expect(await Promise.all(answers)).toEqual([false, false, false]);
    expect(events.filter(({ type }) => type === 'completed')).toHaveLength(3);
    expect(events.filter(({ type }) => type === 'cancelled')).toHaveLength(0);
  });

  it.each([0, 1, 2].flatMap((heard) => [0, 1, 2].map((cancelled) => [heard, cancelled] as const)))(
    'in a listener of the retry of number %i: number %i has no retry after its end',
    async (heard, cancelled) => {
      const { clock, runner, mailer, add, events } = await createMailer();
      mailer.failures = 1;
      const handles = add(0, 1, 2);
      const answers: Promise<boolean>[] = [];
      runner.events.subscribe(({ type, id }) => {
        if (type === 'retrying' && id === handles[heard].id) {
          answers.push(handles[cancelled].cancel());
        }
      });
      await clock.advance(1_000);
      // One that has not been told yet still shares the run, and takes part in the next.
      const isTold = cancelled <= heard;
      expect(await Promise.all(answers)).toEqual([isTold]);
      const retried = ['added', 'queued', 'started', 'retrying'];
      handles.forEach((handle, index) => {
        expect(announcedOf(handle, events)).toEqual(
          isTold && index === cancelled
            ? [...retried, 'cancelled']
            : [...retried, 'started', 'completed'],
        );
      });
      expect(mailer.runs[1]).toEqual([0, 1, 2].filter((id) => !isTold || id !== cancelled));
      expect((await runner.stats()).queues['default']).toMatchObject({ running: 0, pending: 0 });
    },
  );

  it('in a listener of another call’s shutdown settles it once', async () => {
    const { clock, runner, module, add, events } = await createMailer();
    await runner.pause();
    const handles = add(0, 1, 2);
    runner.events.subscribe(({ type, id }) => {
      if (type === 'abandoned' && id === handles[0].id) {
        void handles[1].cancel();
      }
    });
    const closing = module.close();
    await clock.advance(60_000);
    await closing;
    expect(statuses(handles)).toEqual(['abandoned', 'cancelled', 'abandoned']);
    expect(announcedOf(handles[1], events)).toEqual(['added', 'queued', 'cancelled']);
    expect((await runner.stats()).queues['default']).toMatchObject({
      added: 3,
      abandoned: 2,
      cancelled: 1,
      pending: 0,
    });
  });
});
