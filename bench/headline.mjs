// 100 uploads, 10 at a time, of which each means two seconds of work: how long until all are accepted, and until all
// work is done. The same load on the sample's two endpoints and on FastAPI's counterparts, where it is installed.
//
//   npm run bench:headline            3 rounds
//   npm run bench:headline -- 1       1 round
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { machine, median, progress, progressDone, table } from './figures.mjs';
import { barChart } from './plot.mjs';
import {
  ROOT,
  freePort,
  hasUvicorn,
  startSample,
  startUvicorn,
} from './servers/server-process.mjs';

const ROUNDS = Number(process.argv[2] ?? 3);
const UPLOADS = 100;
const AT_ONCE = 10;
const WARM_UP = 20;
const UPLOAD_BYTES = 10_000;
const BOUNDARY = 'bench-boundary';

const run = promisify(execFile);

const sample = (adapter) => ({
  start: (port, directory) => startSample(port, adapter, directory),
  readyPath: '/mails',
  completed: /^processUpload .*completed/gm,
});
const fastapi = {
  start: (port) => startUvicorn('fastapi_process:app', port),
  readyPath: '/ready',
  completed: /process_upload completed/g,
};

const VARIANTS = [
  { name: 'Nest Express, waited for', path: '/process-sync', ...sample('express') },
  { name: 'Nest Express, background', path: '/process-async', ...sample('express') },
  { name: 'Nest Fastify, background', path: '/process-async', ...sample('fastify') },
  ...(hasUvicorn()
    ? [
        { name: 'FastAPI, waited for', path: '/process-sync', ...fastapi },
        { name: 'FastAPI, background', path: '/process-async', ...fastapi },
      ]
    : []),
];

async function ab(url, bodyFile, requests) {
  const { stdout } = await run(
    'ab',
    `-q -n ${requests} -c ${AT_ONCE} -s 60 -p ${bodyFile} -T`
      .split(' ')
      .concat(`multipart/form-data; boundary=${BOUNDARY}`, url),
  );
  const number = (pattern) => Number(pattern.exec(stdout)?.[1] ?? 0);
  const failed = number(/^Failed requests:\s+(\d+)/m) + number(/^Non-2xx responses:\s+(\d+)/m);
  const lengthsOnly = number(/Length: (\d+)/);
  if (failed - lengthsOnly > 0) throw new Error(`${failed} requests failed:\n${stdout}`);
  return number(/^Time taken for tests:\s+([\d.]+)/m);
}

async function measure({ start, readyPath, path, completed }, directory, bodyFile) {
  const port = await freePort();
  const server = start(port, directory);
  const isBackground = path === '/process-async';
  try {
    const url = `http://127.0.0.1:${port}`;
    await server.untilAnswering(`${url}${readyPath}`);
    await ab(`${url}${path}`, bodyFile, WARM_UP);
    if (isBackground) await server.untilPrinted(completed, WARM_UP);
    const startedAt = performance.now();
    const accepted = await ab(`${url}${path}`, bodyFile, UPLOADS);
    if (isBackground) await server.untilPrinted(completed, WARM_UP + UPLOADS);
    const done = isBackground ? (performance.now() - startedAt) / 1000 : accepted;
    return { accepted, done };
  } finally {
    await server.end();
  }
}

const directory = await mkdtemp(join(tmpdir(), 'headline-'));
try {
  const bodyFile = join(directory, 'body');
  const head =
    `--${BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n` +
    'Content-Type: application/octet-stream\r\n\r\n';
  const content = [Buffer.from(head), Buffer.alloc(UPLOAD_BYTES, 7)];
  await writeFile(bodyFile, Buffer.concat([...content, Buffer.from(`\r\n--${BOUNDARY}--\r\n`)]));
  const figures = new Map(VARIANTS.map(({ name }) => [name, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const variant of VARIANTS) {
      progress(`round ${round} of ${ROUNDS}: ${variant.name}`);
      figures.get(variant.name).push(await measure(variant, directory, bodyFile));
    }
  }
  progressDone();
  const medians = new Map(
    [...figures].map(([name, rounds]) => [
      name,
      {
        accepted: median(rounds.map(({ accepted }) => accepted)),
        done: median(rounds.map(({ done }) => done)),
      },
    ]),
  );
  const rows = [...medians].map(([name, { accepted, done }]) => {
    const waited =
      medians.get(name.replace(/, .*/, ', waited for')) ?? medians.get('Nest Express, waited for');
    const all = figures.get(name).map((each) => each.accepted.toFixed(3));
    return [
      name,
      `${accepted.toFixed(3)} s`,
      `${(waited.accepted / accepted).toFixed(0)}x`,
      `${done.toFixed(1)} s`,
      all.join(', '),
    ];
  });
  console.log(
    `${UPLOADS} uploads, ${AT_ONCE} at a time, 2 s of work each; medians of ${ROUNDS}; ${machine()}\n`,
  );
  console.log(table(['', 'accepted after', 'over waiting', 'all done after', 'each round'], rows));
  const plot = join(ROOT, 'bench/plots/headline.svg');
  await barChart(plot, {
    title: `${UPLOADS} uploads accepted after (s, less is better)`,
    bars: [...medians].map(([name, { accepted }]) => ({
      name,
      value: accepted,
      isOurs: name.startsWith('Nest') && name.endsWith('background'),
    })),
  });
  console.log(`\n${plot}`);
  if (!hasUvicorn()) console.log('\nFastAPI is not installed here (uvicorn, python3-fastapi).');
} finally {
  await rm(directory, { recursive: true, force: true });
}
