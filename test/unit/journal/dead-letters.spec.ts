import { describe, expect, it } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import type { BackgroundTasksOptions, TaskInfo } from 'nestjs-background-tasks';
import type { Application } from '../../conformance/support/application.js';
import { close, crashImage, start, temporaryFolder } from './support/machine.js';

/** Of a tag: what else a letter has is little beside it. */
const LENGTH = 20_000;

async function haveFailed(app: Application, ...tags: string[]): Promise<void> {
  for (const tag of tags) {
    await app.runner.addTask(app.jobs.hopeless, tag.padEnd(LENGTH)).whenSettled();
  }
}

async function failedIn(app: Application): Promise<unknown[]> {
  return (await app.runner.list({ status: 'failed' })).map(tagOf);
}

function tagOf({ args }: TaskInfo): string {
  return (args[0] as string).trim();
}

describe('D23: what has failed in a journal', () => {
  it('is there after a crash, as it was', async () => {
    const path = await temporaryFolder();
    const before = await start(path);
    await haveFailed(before, 'a', 'b');
    const [kept] = await before.runner.list({ status: 'failed' });
    const after = await start(await crashImage(path));
    await after.runner.whenIdle();
    expect(await after.runner.list({ status: 'failed', limit: 1 })).toEqual([kept]);
    expect(await after.runner.get(kept?.id ?? '')).toEqual(kept);
    expect(await after.runner.counts()).toMatchObject({ failed: 2 });
    expect(after.book.started).toEqual([]);
  });

  it('is either kept or stored to run again, whenever the process dies', async () => {
    const path = await temporaryFolder();
    const before = await start(path);
    await haveFailed(before, 'a', 'b', 'c');
    await before.runner.pause();
    const retried = before.runner.retryAll();
    const images = [await crashImage(path)];
    await retried;
    images.push(await crashImage(path));
    for (const image of images) {
      const after = await start(image);
      await after.runner.pause();
      const held = await after.runner.list({ status: 'queued' });
      const tags = [...(await failedIn(after)), ...held.map(tagOf)];
      expect(new Set(tags)).toEqual(new Set(['a', 'b', 'c']));
      expect(tags).toHaveLength(3);
      await close(after);
    }
  });

  it.each<[string, BackgroundTasksOptions['keep'], string[]]>([
    ['count', { count: 2 }, ['d', 'c']],
    ['bytes', { bytes: 2.5 * LENGTH }, ['d', 'c']],
  ])('is bounded by %s, also over restarts', async (_what, keep, left) => {
    const path = await temporaryFolder();
    const before = await start(path, { options: { drainTimeout: 50, keep } });
    await haveFailed(before, 'a', 'b', 'c');
    await close(before);
    const after = await start(path, { options: { drainTimeout: 50, keep } });
    await haveFailed(after, 'd');
    await close(after);
    const last = await start(path);
    expect(await failedIn(last)).toEqual(left);
    expect(await last.runner.counts()).toMatchObject({ failed: left.length });
  });

  it('is bounded by age', async () => {
    const path = await temporaryFolder();
    const options = { drainTimeout: 50, keep: { age: 100 } };
    const app = await start(path, { options });
    await haveFailed(app, 'old');
    await pause(150);
    expect(await failedIn(app)).toEqual([]);
    await haveFailed(app, 'new');
    await close(app);
    const last = await start(path);
    expect(await failedIn(last)).toEqual(['new']);
  });

  it('keeps a name that nobody knows any more, and is not run again', async () => {
    const path = await temporaryFolder();
    const before = await start(path);
    await haveFailed(before, 'a');
    const [letter] = await before.runner.list({ status: 'failed' });
    await close(before);
    const { open } = await import('lmdb');
    const root = open({ path: `${path}/tasks.mdb`, noSubdir: true });
    const letters = root.openDB<string, [number, string]>({ name: 'failed', encoding: 'string' });
    for (const { key, value } of letters.getRange()) {
      letters.putSync(key, value.replace('Jobs.hopeless', 'Jobs.gone'));
    }
    await root.close();
    const after = await start(path);
    expect(await after.runner.list({ status: 'failed' })).toMatchObject([{ name: 'Jobs.gone' }]);
    expect(await after.runner.retry(letter?.id ?? '')).toBeUndefined();
    expect(await after.runner.retryAll()).toBe(0);
    expect(await failedIn(after)).toEqual(['a']);
  });
});
