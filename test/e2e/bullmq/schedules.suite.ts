import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { ENGINE, type Engine, type ScheduleStore } from '../../../lib/engine/engine.js';
import {
  decode,
  encode,
  RECORD_VERSION,
  type ScheduleRecord,
} from '../../../lib/schedule/schedule-record.js';
import { eventually } from '../../support/eventually.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import type { TestServer } from '../../support/servers.js';
import type { TestApp } from './app.js';
import { WORKER } from './processes.suite.js';
import { TestStore } from './store.js';

const EVERY_MS = 100;

/** Schedules whose records lie in a store, which several applications share. */
export function schedulesSuite(makeServer: () => Promise<TestServer>): void {
  const store = new TestStore(makeServer);

  it('a schedule ticks once over all processes, one of which is killed and one of which closes', async () => {
    const all = [await store.start(), await store.start(), await store.start()] as const;
    const [first, second, third] = all;
    const { now: from } = await storeOf(first).load();
    const written: ScheduleRecord = {
      v: RECORD_VERSION,
      options: { every: EVERY_MS, overlap: 'allow' },
      queue: 'default',
      last: from,
      seen: from,
      call: { name: 'note', stored: { args: '["tick"]', options: undefined, carried: undefined } },
    };
    expect(await storeOf(first).swap('often', undefined, encode(written))).toBe('done');
    for (const { tasks, work } of all) {
      // As it does this it finds the other one, too, which would take it ten seconds by itself.
      await tasks.addSchedule({ name: 'other', every: '1h' }, work.note, 'other');
    }
    const file = join(await temporaryFolder(), 'ran.txt');
    const killed = spawn(process.execPath, [WORKER, store.url, store.prefix, file], {
      stdio: 'ignore',
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    await eventually(() => access(file)); // it has run a tick
    killed.kill('SIGKILL');
    await Promise.all(all.map(({ work }) => work.until('tick')));
    await first.close(); // the others go on
    await Promise.all([second, third].map(({ work }) => work.until('tick', work.done.length + 2)));
    // The record as it is when it goes.
    let record = await recordOf(second);
    while ((await storeOf(second).swap('often', record.text, undefined)) === 'stale') {
      record = await recordOf(second);
    }
    const tasks = await second.tasks.list({ name: 'note', limit: 1_000 });
    const ticks = Math.floor(record.last / EVERY_MS) - Math.floor(from / EVERY_MS);
    expect(tasks).toHaveLength(ticks);
    expect(await second.tasks.listSchedules()).toMatchObject([{ name: 'other' }]);
    await second.tasks.removeSchedule('other');
  });
}

function storeOf({ app }: TestApp): ScheduleStore {
  return app.get<Engine>(ENGINE).supportOf('default').schedules as ScheduleStore;
}

async function recordOf(app: TestApp): Promise<{ text: string; last: number }> {
  const text = (await storeOf(app).load()).records.get('often') ?? '';
  return { text, last: decode(text)?.last ?? Number.NaN };
}
