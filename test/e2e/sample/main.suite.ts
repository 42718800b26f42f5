import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, it } from '@jest/globals';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { ChildApp } from '../support/child-app.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const REGISTER = pathToFileURL(join(ROOT, 'node_modules/@oxc-node/core/register.mjs')).href;

/** The requests of the `curl` lines, made without `curl`. */
async function statusesOf(output: string): Promise<string[]> {
  const statuses: string[] = [];
  for (const [, post, url = '', body] of output.matchAll(
    /^ {2}curl (-X POST )?'([^']+)'(?: -H 'content-type: application\/json' -d '(.+)')?$/gm,
  )) {
    const now = String(statuses.length);
    const response = await fetch(url, {
      method: post || body ? 'POST' : 'GET',
      ...(body && {
        body: body.replace("'$(date +%s)'", now),
        headers: { 'content-type': 'application/json' },
      }),
    });
    await response.arrayBuffer();
    statuses.push(`${response.status} ${new URL(url).pathname}${new URL(url).search}`);
  }
  return statuses;
}

it('sample: the process that npm start starts prints requests to try, a line for each task, and sends what is pending when told to end', async () => {
  const directory = await temporaryFolder();
  const sample = new ChildApp(join(ROOT, 'sample/main.ts'), [], {
    cwd: directory,
    execArgv: ['--import', REGISTER],
    env: {
      ...process.env,
      // Else the compiler looks for its settings in the working directory.
      OXC_TSCONFIG_PATH: join(ROOT, 'tsconfig.json'),
      NO_COLOR: '1',
      PORT: '0',
    },
  });
  const [, url] = await sample.match(/curl '(\S+)\/mails'\n/g);
  expect(await statusesOf(sample.output)).toEqual([
    '200 /send-notification/ada@example.com',
    '200 /send-notification/ada@example.com?q=some-query',
    '201 /signup',
    '201 /signup?failures=2',
    '200 /mails',
    '200 /health',
    '200 /metrics',
  ]);
  await sample.match(/^(write|Mailer).*completed \d+ ms$/gm, 5);
  expect(await sample.line('writeNotification ')).toMatch(
    /^writeNotification \w{4}: added 0 ms, queued \d+ ms, started \d+ ms, completed \d+ ms$/,
  );
  expect(await readFile(join(directory, 'log.txt'), 'utf8')).toBe(
    'notification for ada@example.com: some notification\n' +
      'found query: some-query\n' +
      'notification for ada@example.com: some notification\n',
  );

  const response = await fetch(`${url}/signup?failures=2`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: 'last@example.com', name: 'Last' }),
  });
  expect(response.status).toBe(201);
  sample.signal('SIGTERM');
  expect((await sample.ended).signal).toBe('SIGTERM');
  expect(sample.output.match(/^(write|Mailer).*completed \d+ ms$/gm)).toHaveLength(6);
  expect(sample.output).toMatch(
    /^Mailer\.sendWelcome .*retrying .*451.*retrying .*451.*completed \d+ ms$/m,
  );
  expect(sample.output.trimEnd()).toMatch(/The mail server has closed$/);
});
