import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { eventually } from '../../support/eventually.js';
import type { TestServer } from '../../support/servers.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import type { TestApp } from './app.js';
import { range, runLines, stepsOf, writtenOf } from './lines.js';
import { TestStore } from './store.js';

const WORKER = '.cache/compiled/test/e2e/bullmq/worker-process.js';

/**
 * What several processes have to do with tasks together.
 *
 * @param usual how many lines of 12 tasks they run: `npm run chaos:lines` runs more where a test would take too long
 */
export function processesSuite(makeServer: () => Promise<TestServer>, usual: number): void {
  const lineCount = Number(process.env['LINES'] ?? usual);
  const store = new TestStore(makeServer);
  let folder: string;
  let producer: TestApp;
  const workers: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  beforeEach(async () => {
    await writeFile(done(), '');
    producer = await store.start({ role: 'producer' });
  });
  afterEach(async () => {
    for (const worker of workers.splice(0)) {
      const ended = worker.exitCode ?? worker.signalCode ?? once(worker, 'exit');
      worker.kill('SIGKILL');
      await ended;
    }
  });

  const done = (): string => join(folder, 'done.txt');

  async function lines(): Promise<string[][]> {
    const text = await readFile(done(), 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(' '));
  }

  function spawnWorker(mode = ''): ChildProcess {
    const worker = spawn(process.execPath, [WORKER, store.url, store.prefix, done(), mode], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    workers.push(worker);
    return worker;
  }

  it(`P2: two workers run ${12 * lineCount} tasks in lines, with retries: each completes once, in the order of its line`, async () => {
    await Promise.all([spawnWorker(), spawnWorker()].map(ready));
    const outcomes = await runLines(producer, lineCount);
    expect(outcomes.filter(({ status }) => status !== 'completed')).toEqual([]);
    const ran = await lines();
    for (const line of range(lineCount)) {
      expect(writtenOf(line, ran)).toEqual(stepsOf(line));
    }
    expect(new Set(ran.map(([pid]) => Number(pid)))).toEqual(
      new Set(workers.map(({ pid }) => pid)),
    );
  });

  it('D7: a worker that has lost its lock believes the store, and names the lock', async () => {
    const owner = spawnWorker('owner');
    await eventually(async () => expect(await lines()).toContainEqual([String(owner.pid), 'mine']));
    owner.kill('SIGSTOP');
    const other = spawnWorker('alert');
    await eventually(async () => expect(await lines()).toContainEqual([String(other.pid), 'mine']));
    owner.kill('SIGCONT');
    await eventually(async () =>
      expect(await producer.tasks.list({ status: 'completed' })).toHaveLength(2),
    );
    await eventually(async () =>
      expect(await lines()).toContainEqual([String(owner.pid), 'settled', 'completed']),
    );
    const log = await readFile(done(), 'utf8');
    // What the owner came to counts for nothing: the next of the line waits for the other's end.
    expect(log.indexOf(`${other.pid} ended mine`)).toBeLessThan(log.search(/^\d+ next$/m));
    expect(log.match(/^\d+ next$/gm)).toHaveLength(1);
    expect(log).toMatch(/did not renew its lock in time/);
    expect(log).not.toMatch(/shut|process died/);
  });

  it('D15: the task that kills its process fails after maxStarts, and none that ran beside it', async () => {
    const { tasks, work } = producer;
    const texts = ['poison', ...Array.from({ length: 9 }, (_, index) => `innocent ${index}`)];
    const outcomes = texts.map((text) => tasks.addTask(work.note, text).whenSettled());
    const settled = Promise.all(outcomes);
    let end: unknown;
    do {
      end = await Promise.race([
        once(spawnWorker('poison'), 'exit').then(() => undefined),
        settled,
      ]);
    } while (end === undefined);
    const [poison, ...innocent] = (await settled).map(({ status }) => status);
    expect(poison).toBe('failed');
    expect(new Set(innocent)).toEqual(new Set(['completed']));
  });

  it('P13: a process ends by itself once its application is closed, whatever waits in the store', async () => {
    const { tasks, work } = producer;
    tasks.addTask({ delay: '1h' }, work.note, 'later');
    const worker = spawnWorker();
    await ready(worker);
    await work.note('now');
    await eventually(async () => expect(await lines()).toHaveLength(1));
    const exited = once(worker, 'exit');
    worker.kill('SIGCONT');
    expect(await exited).toEqual([0, null]);
  });
}

async function ready(worker: ChildProcess): Promise<void> {
  if (worker.stdout !== null) {
    await once(worker.stdout, 'data');
  }
}
