// Processes run lines of 12 tasks, some of which fail at first. Does each task complete once, in the order of its line?
//
//   npm run chaos:lines -- --engine postgres --lines 120 --workers 2
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApp } from '../e2e/bullmq/app.js';
import { range, runLines, stepsOf, writtenOf } from '../e2e/bullmq/lines.js';
import compile from '../support/compile.mjs';
import { freshPrefix } from '../support/fresh-keys.js';
import { postgresServer, redisServer } from '../support/servers.js';
import { optionsOf } from './options.js';

const WORKER = '.cache/compiled/test/e2e/bullmq/worker-process.js';

const { lines, workers, engine } = optionsOf(
  { lines: 120, workers: 2 },
  { engine: ['redis', 'postgres'] },
);
await compile();
const store = await (engine === 'postgres' ? postgresServer() : redisServer());
const folder = await mkdtemp(join(tmpdir(), 'bgt-chaos-'));
const file = join(folder, 'done.txt');
const prefix = freshPrefix();

await store.start();
const children = range(workers).map(() =>
  spawn(process.execPath, [WORKER, store.url, prefix, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  }),
);
try {
  await Promise.all(children.map(({ stdout }) => once(stdout, 'data')));
  const producer = await startApp({ connection: store.url, prefix, role: 'producer' });
  const from = performance.now();
  const outcomes = await runLines(producer, lines);
  const seconds = ((performance.now() - from) / 1_000).toFixed(1);
  await producer.close();
  const ran = (await readFile(file, 'utf8')).split('\n').map((line) => line.split(' '));
  const wrong = range(lines).filter(
    (line) => writtenOf(line, ran).join('\n') !== stepsOf(line).join('\n'),
  );
  const open = outcomes.filter(({ status }) => status !== 'completed');
  console.log(
    `${engine}, ${workers} workers: ${outcomes.length} tasks in ${lines} lines in ${seconds} s, ` +
      `${open.length} did not complete, ${wrong.length} lines ran in another way`,
  );
  wrong.slice(0, 3).forEach((line) => console.log(`line ${line}`, writtenOf(line, ran)));
  process.exitCode = wrong.length + open.length === 0 ? 0 : 1;
} finally {
  for (const child of children) {
    child.kill('SIGKILL');
  }
  await store.remove();
  await rm(folder, { recursive: true, force: true });
}
