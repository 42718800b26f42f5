// 100 uploads, 10 at a time, each with two seconds of work. How long does it take until all are accepted, and until all
// work is done? The load is the same on the sample's two endpoints and, where FastAPI is installed, on its counterparts.
//
//   npm run bench:headline -- --rounds 3 --only background
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fixed, median, progress, progressDone } from './figures.mjs';
import { benchmarkOptions } from './options.mjs';
import { report } from './report.mjs';
import {
  freePort,
  hasUvicorn,
  requireAb,
  startSample,
  startUvicorn,
} from './servers/server-process.mjs';

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
  { name: 'FastAPI, waited for', path: '/process-sync', ...fastapi },
  { name: 'FastAPI, background', path: '/process-async', ...fastapi },
];
const { rounds, chosen, write } = benchmarkOptions(
  { rounds: 3 },
  VARIANTS.map(({ name }) => name),
);
requireAb();
const variants = VARIANTS.filter(
  ({ name }) => chosen.includes(name) && (!name.startsWith('FastAPI') || hasUvicorn()),
);

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
  const figures = new Map(variants.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const variant of variants) {
      progress(`round ${round} of ${rounds}: ${variant.name}`);
      figures.get(variant.name).push(await measure(variant, directory, bodyFile));
    }
  }
  progressDone();
  const of = (name, field) => (figures.get(name) ?? []).map((each) => each[field]);
  const waitedFor = (name) => {
    const own = of(name.replace(/, .*/, ', waited for'), 'accepted');
    return median(own.length > 0 ? own : of('Nest Express, waited for', 'accepted'));
  };
  await report({
    write,
    heading: `${UPLOADS} uploads, ${AT_ONCE} at a time, 2 s of work each; medians of ${rounds} rounds`,
    tables: [
      {
        name: 'uploads',
        head: ['', 'accepted after', 'over waiting', 'all done after', 'each round'],
        rows: variants.map(({ name }) => {
          const accepted = of(name, 'accepted');
          const waited = waitedFor(name);
          return [
            name,
            fixed(median(accepted), 3, ' s'),
            fixed(waited === undefined ? undefined : waited / median(accepted), 0, 'x'),
            fixed(median(of(name, 'done')), 1, ' s'),
            accepted.map((each) => fixed(each, 3)).join(', '),
          ];
        }),
      },
    ],
    notes: hasUvicorn() ? [] : ['FastAPI is not installed here (uvicorn, python3-fastapi).'],
    plots: [
      {
        name: 'headline',
        title: `${UPLOADS} uploads accepted after (s, less is better)`,
        bars: variants.map(({ name }) => ({
          name,
          value: median(of(name, 'accepted')),
          isOurs: name.startsWith('Nest') && name.endsWith('background'),
        })),
      },
    ],
  });
} finally {
  await rm(directory, { recursive: true, force: true });
}
