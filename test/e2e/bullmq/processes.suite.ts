import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { eventually } from '../../support/eventually.js';
import type { Outcome } from 'nestjs-background-tasks';
import type { TestServer } from '../../support/servers.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import type { TestApp } from './app.js';
import { TestStore } from './store.js';

const LENGTH = 12;
export const WORKER = '.cache/compiled/test/e2e/bullmq/worker-process.js';

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

/** Adds so many lines of 12 tasks, of which some fail at first, all at once. @returns how each task ended */
function runLines({ tasks, work }: TestApp, count: number): Promise<Outcome[]> {
  const outcomes = range(count).flatMap((line) => {
    const chain = tasks.chain();
    return range(LENGTH).map((place) =>
      chain.addTask(work.fail, `${line} ${place}`, failuresOf(line, place)).whenSettled(),
    );
  });
  return Promise.all(outcomes);
}

/** What the processes of worker-process.ts write of a line, where each task completes once and in its turn. */
function stepsOf(line: number): string[] {
  return range(LENGTH).flatMap((place) => {
    const last = failuresOf(line, place) + 1;
    return range(last).flatMap((before) => [
      `${place} begins ${before + 1}`,
      `${place} ${before + 1 === last ? 'completes' : 'fails'} ${before + 1}`,
    ]);
  });
}

/** What of the words of a file's lines was written of a line. */
function writtenOf(line: number, ran: readonly string[][]): string[] {
  return ran.filter(([, its]) => its === `${line}`).map(([, , ...step]) => step.join(' '));
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

function failuresOf(line: number, place: number): number {
  return (line + place) % 3;
}
