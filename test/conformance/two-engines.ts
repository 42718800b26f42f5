import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { journal } from '../../lib/engine/journal/index.js';
import type { BackgroundTasksOptions } from 'nestjs-background-tasks';
import { eventually } from '../support/eventually.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import type { EngineUnderTest } from './conformance.js';
import type { EngineName } from './matrix.js';
import { Application } from './support/application.js';
import { inTurn } from './support/book.js';

/**
 * P2, P19: a request's tasks on two engines are two lines, and no chain goes through both. The queue
 * `other` is the engine's under test, all others are in memory, or in a journal where memory is under
 * test.
 */
export function twoEngines(name: EngineName, prepare: () => Promise<EngineUnderTest>): void {
  describe(`P19: the ${name} engine beside another`, () => {
    let under: EngineUnderTest;
    let folder: string;
    let app: Application;

    const start = async (request: BackgroundTasksOptions['request'] = {}): Promise<void> => {
      app = await Application.start({
        request,
        queues: { other: { engine: under.engine ?? journal({ path: folder }) } },
      });
    };

    beforeEach(async () => {
      under = await prepare();
      folder = await temporaryFolder();
    });

    afterEach(async () => {
      await app.close();
      await under.dispose();
    });

    it('runs the tasks of a request in two lines, neither of which waits for the other', async () => {
      await start();
      expect(await app.post('/two/hold')).toBe(201);
      await app.book.until('there 2', 'end');
      expect(app.book.started.filter((tag) => tag.startsWith('here'))).toEqual(['here 1']);
      app.book.open('here 1');
      await app.runner.whenIdle();
      const story = app.book.story.filter((entry) => entry.includes('there'));
      expect(story).toEqual(inTurn('there 1', 'there 2'));
      expect(app.book.started.at(-1)).toBe('here 2');
    });

    it("stops with onFailure: 'stop' the line of the task that failed, and no other", async () => {
      await start({ onFailure: 'stop' });
      await app.post('/two/hopeless');
      await app.runner.whenIdle();
      expect(app.book.started.toSorted()).toEqual(['here 1', 'there 1', 'there 2']);
      const reasons = app.events.flatMap((event) => ('reason' in event ? event.reason : []));
      expect(reasons).toEqual(['predecessor-failed']);
      await eventually(async () =>
        expect(await app.runner.counts()).toMatchObject({ completed: 2, failed: 1, queued: 0 }),
      );
    });

    it('goes on in one line while a task of the other has attempts left', async () => {
      await start({ onFailure: 'stop' });
      await app.post('/two/flaky');
      await app.runner.whenIdle();
      expect(app.book.started.filter((tag) => tag.startsWith('here'))).toEqual([
        'here 1',
        'here 1',
        'here 2',
      ]);
      expect(app.book.started.filter((tag) => tag.startsWith('there'))).toHaveLength(2);
    });

    it("drops with a task that is cancelled what stands behind it in its line with onFailure: 'stop'", async () => {
      await start({ onFailure: 'stop' });
      await app.post('/two/cancelled');
      await app.runner.whenIdle();
      expect(app.book.started.toSorted()).toEqual(['here 1', 'here 2']);
    });

    it('has one schedule of a name, whose queue may become one of the other', async () => {
      await start();
      const { runner, jobs } = app;
      for (const queue of ['other', 'default', 'other']) {
        await runner.addSchedule({ name: 'often', every: '1h', queue }, jobs.note, 'tick');
        expect(await runner.listSchedules()).toMatchObject([{ name: 'often', queue }]);
      }
      await runner.removeSchedule('often');
    });

    it('refuses a chain through both of them, and goes on with the part that there is', async () => {
      await start();
      const chain = app.runner.chain();
      chain.addTask(app.jobs.note, 'first');
      expect(() => chain.addTask({ queue: 'other' }, app.jobs.note, 'elsewhere')).toThrow(
        expect.objectContaining({ code: 'BGT_CHAIN' }),
      );
      await chain.addTask(app.jobs.note, 'second').whenSettled();
      const back = app.runner.chain();
      back.addTask({ queue: 'other' }, app.jobs.note, 'third');
      expect(() => back.addTask(app.jobs.note, 'elsewhere')).toThrow(/cannot follow/);
      expect(await app.post('/two/chain')).toBe(500);
      await app.runner.whenIdle();
      expect(app.book.started.toSorted()).toEqual(['first', 'second', 'third']);
    });
  });
}
