import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Background, type BackgroundTasksOptions } from 'nestjs-background-tasks';
import { journal } from '../../../lib/engine/journal/index.js';
import { close, crashImage, recordsIn, start, temporaryFolder } from './support/machine.js';

/** Of several queues one is in the journal; the others are in memory. */
const optionsWith = (path: string, queue: string): BackgroundTasksOptions => ({
  engine: undefined,
  queues: { [queue]: { engine: journal({ path }) } },
});

/** @returns a journal with a task of `InAudit`, which was added to the queue `audit` */
async function imageWithTask(): Promise<string> {
  const path = await temporaryFolder();
  const before = await start(path, {
    options: optionsWith(path, 'audit'),
    providers: [InAudit],
  });
  await before.runner.pause();
  await before.get(InAudit).work('left');
  return crashImage(path);
}

describe('a stored task whose method has moved to a queue in memory', () => {
  it('runs in the queue that it was added to, which the journal still keeps', async () => {
    const image = await imageWithTask();
    const options = optionsWith(image, 'audit');
    const after = await start(image, { options, providers: [InMemory] });
    await after.runner.pause('default');
    await after.runner.whenIdle();
    expect(after.get(InMemory).done).toEqual(['left']);
    expect((await after.runner.stats()).queues['audit']).toMatchObject({ completed: 1 });
    await close(after);
    expect(await recordsIn(image)).toEqual([]);
  });

  it('is kept, and told of, where the journal keeps neither queue', async () => {
    const image = await imageWithTask();
    const options = optionsWith(image, 'other');
    const after = await start(image, { options, providers: [InMemory] });
    await after.runner.whenIdle();
    expect(after.get(InMemory).done).toEqual([]);
    expect(after.log.errors).toEqual([
      expect.stringMatching(/cannot be made again here: .*"default" is not kept in this journal/),
    ]);
    expect((await after.runner.stats()).queues['default']).toMatchObject({ pending: 0 });
    await close(after);
    expect(await recordsIn(image)).toHaveLength(1);
  });
});

@Injectable()
class InAudit {
  @Background({ name: 'work', queue: 'audit' })
  async work(_tag: string): Promise<void> {
    await Promise.resolve();
  }
}

@Injectable()
class InMemory {
  readonly done: string[] = [];

  @Background({ name: 'work' })
  async work(tag: string): Promise<void> {
    this.done.push(tag);
  }
}
