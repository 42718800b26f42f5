import { beforeEach, describe, expect, it } from '@jest/globals';
import { CollectedTasks } from '../../../lib/engine/bullmq/commit/collected-tasks.js';
import type { PendingLimits } from '../../../lib/engine/bullmq/commit/pending-limits.js';
import { Shutdown, type ShutdownHost } from '../../../lib/engine/bullmq/shutdown.js';
import type { DrainScope, QueueLimits } from '../../../lib/engine/engine.js';
import { Idleness } from '../../../lib/engine/memory/idleness.js';
import { resolutionOf } from '../support/resolution.js';
import { bareTask } from '../support/tasks.js';

const limits = {
  admit: () => undefined,
  takeBack: () => undefined,
} as unknown as PendingLimits;

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('P13: the drain of a store', () => {
  let collected: CollectedTasks;
  let idleness: Idleness;
  let shutdown: Shutdown;

  beforeEach(() => {
    collected = new CollectedTasks([{ name: 'default' } as QueueLimits], limits);
    idleness = new Idleness();
    shutdown = new Shutdown({
      consumers: { isIdle: true, drain: () => undefined },
      collected,
      idleness,
    } as unknown as ShutdownHost);
  });

  const drainOf = async (scope: DrainScope) => {
    const drain = resolutionOf(shutdown.drain(1_000, scope));
    await turn();
    return drain;
  };

  it('waits for what requests have collected, where those are meant, too', async () => {
    const task = bareTask('collected');
    collected.admit(task);
    expect((await drainOf('released')).isThere).toBe(true);
    const drain = await drainOf('collected');
    expect(drain.isThere).toBe(false);
    collected.takeOut(task);
    idleness.check();
    await turn();
    expect(drain.isThere).toBe(true);
  });
});
