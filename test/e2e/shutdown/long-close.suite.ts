import { expect, it } from '@jest/globals';
import { startServer, type ChildApp } from '../support/child-app.js';
import { open, send } from '../support/client.js';
import { NEST_MAJOR } from '../support/nest-major.js';

const PLATFORMS = ['Express', 'Fastify'];
const KILLED = { code: null, signal: 'SIGTERM' };
const OPEN_REQUESTS =
  /^warn The shutdown waits for 2 open requests, .* forceCloseConnections: true .* Their tasks wait with them: .*hopeful .*afterwards/;

/**
 * Adds tasks, one after another, until nobody answers any more.
 *
 * @param done waits for a task that was added: on a fast machine more come in than `drainTimeout` is enough for
 * @returns those answered with 201
 */
async function addUntilClosed(
  port: number,
  done?: (id: string) => Promise<unknown>,
): Promise<string[]> {
  const ids: string[] = [];
  try {
    for (;;) {
      const { status, body } = await send(port, '/', { method: 'POST' });
      if (status === 201) {
        ids.push(body);
        await done?.(body);
      }
    }
  } catch {
    return ids; // the server is closed, or the process has ended
  }
}

/** The ids of answered tasks of which the application has said nothing: neither that they are done, nor that they are not. */
function unaccounted(child: ChildApp, ids: readonly string[]): string[] {
  const text = child.lines.join('\n');
  return ids.filter((id) => !text.includes(id));
}

it.each(PLATFORMS)(
  'P13, O12: on %s tasks of requests answered with 201 run while Terminus waits longer than drainTimeout',
  async (platform) => {
    const setup = { platform, drainTimeout: 500, terminusMs: 1_000, hookMs: 600 };
    const { child, port } = await startServer('long-closing-app.ts', setup);
    const adding = addUntilClosed(port, (id) => child.line(`done ${id}`));
    await child.line('done ');
    child.signal('SIGTERM');
    const ids = await adding;
    expect(await child.ended).toEqual(KILLED);
    expect(ids).not.toEqual([]);
    expect(child.all('error ')).toEqual([]);
    expect(unaccounted(child, ids)).toEqual([]);
  },
);

it.each(PLATFORMS)(
  'O13: on %s requests that do not end are counted after drainTimeout, and their tasks are named',
  async (platform) => {
    const { child, port } = await startServer('long-closing-app.ts', {
      platform,
      drainTimeout: 100,
    });
    const answers = [open(port, '/hanging'), open(port, '/events')] as const;
    answers.forEach((answer) => answer.catch(() => undefined)); // its connection ends with the process
    await Promise.all([child.line('hanging'), answers[1]]);
    child.signal('SIGTERM');
    expect(await child.line('warn The shutdown')).toMatch(OPEN_REQUESTS);
    child.signal('SIGKILL');
    await child.ended;
  },
);

// With Nest 11 it is an option of the Fastify adapter.
it.each(NEST_MAJOR < 12 ? ['Express'] : PLATFORMS)(
  'O13: on %s forceCloseConnections ends requests that do not end, as that line says',
  async (platform) => {
    const setup = { platform, drainTimeout: 100, forceCloseConnections: true };
    const { child, port } = await startServer('long-closing-app.ts', setup);
    const answer = await open(port, '/events');
    answer.on('error', () => undefined);
    child.signal('SIGTERM');
    expect(await child.ended).toEqual(KILLED);
    expect(child.all('warn The shutdown')).toEqual([]);
  },
);
