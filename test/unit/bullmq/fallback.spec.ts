/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../../support/eventually.js';
import { bullmq } from '../../../lib/engine/bullmq/index.js';
import { Application } from '../../conformance/support/application.js';

/** Nobody listens there. */
const CONNECTION = 'redis://127.0.0.1:1';
const COMMIT_TIMEOUT_MS = 100;

const FALLING_BACK = bullmq({
  connection: CONNECTION,
  commitTimeout: COMMIT_TIMEOUT_MS,
  fallback: 'memory',
});

describe('a store that is down', () => {
  let app: Application;

  afterEach(() => app.close());

  describe('tasks that fall back to memory', () => {
    beforeEach(async () => {
      app = await Application.start({ engine: FALLING_BACK, drainTimeout: 50 });
    });

    it('can be cancelled on their way, while they wait, and while they run', async () => {
      const onItsWay = app.runner.addTask(app.jobs.note, 'on its way');
      expect(await onItsWay.cancel()).toBe(true);
      const running = app.runner.addTask(app.jobs.hold, 'runs');
      await app.book.until('runs');
      expect(await running.cancel()).toBe(true);
      const delayed = app.runner.addTask({ delay: '1h' }, app.jobs.note, 'delayed');
      await eventually(() => expect(app.eventsOf(delayed.id)).toContain('fell-back'));
      expect(await delayed.cancel()).toBe(true);
      expect([onItsWay.status, running.status, delayed.status]).toEqual([
        'cancelled',
        'cancelled',
        'cancelled',
      ]);
      expect(app.book.started).toEqual(['runs']);
    });

    it('P19: leave the application idle when they have settled, although the store is down', async () => {
      await app.runner.addTask(app.jobs.note, 'one').whenSettled();
      await expect(app.runner.whenIdle()).resolves.toBeUndefined();
      expect(app.book.started).toEqual(['one']);
    });
  });

  describe('P17: a request that fails after some of its tasks fell back to memory', () => {
    it('frees their places if there is no room for all of them', async () => {
      app = await Application.start({
        engine: FALLING_BACK,
        queues: { default: { maxPending: 3 } },
        drainTimeout: 50,
      });
      const { runner, jobs, book } = app;
      await runner.pause('default');
      const first = runner.addTask(jobs.note, 'waits');
      await eventually(() => expect(app.eventsOf(first.id)).toContain('fell-back'));
      expect(await app.post('/three')).toBe(503); // there is room for two of them
      await runner.resume('default');
      await first.whenSettled();
      expect(await app.post('/three')).toBe(201);
      await book.until('third', 'end');
      expect(book.started).toEqual(['waits', 'first', 'second', 'third']);
    });

    it('frees their places if another engine refuses', async () => {
      app = await Application.start({
        engine: FALLING_BACK,
        queues: {
          default: { maxPending: 1 },
          // Slower to refuse than the other is to fall back.
          single: { engine: bullmq({ connection: CONNECTION, commitTimeout: 300 }) },
        },
        drainTimeout: 50,
      });
      const { runner, jobs, book } = app;
      expect(await app.post('/two-queues')).toBe(503);
      const later = runner.addTask(jobs.note, 'later');
      expect(await later.whenSettled()).toMatchObject({ status: 'completed' });
      expect(book.started).toEqual(['later']);
    });
  });
});
