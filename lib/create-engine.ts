import type { LoggerService } from '@nestjs/common';
import { EngineRouter } from './engine/engine-router.js';
import type { Engine, EngineFactory, Worker } from './engine/engine.js';
import { MemoryEngine } from './engine/memory/memory.engine.js';
import type { QueueSettings } from './options/module-options.js';
import type { ResolvedOptions } from './options/resolved-options.js';
import type { Clock } from './task/clock.js';

const memory: EngineFactory = {
  engine: 'memory',
  create: (setting) => new MemoryEngine(setting),
};

/**
 * Makes one engine for all queues with the same factory, and a router in front if there are
 * several.
 */
export function createEngine(
  { queues: byName, drainTimeoutMs, remember, keep }: ResolvedOptions,
  worker: Worker,
  clock: Clock,
  logger: LoggerService,
): Engine {
  const factories = new Map<EngineFactory, QueueSettings[]>();
  for (const queue of byName.values()) {
    const factory = queue.engine ?? memory;
    factories.set(factory, [...(factories.get(factory) ?? []), queue]);
  }
  const byQueue = new Map<string, Engine>();
  for (const [factory, own] of factories) {
    const setting = { queues: own, worker, clock, logger, drainTimeoutMs, remember, keep };
    const engine = factory.create(setting);
    own.forEach(({ name }) => byQueue.set(name, engine));
  }
  const [only, ...others] = new Set(byQueue.values());
  return only !== undefined && others.length === 0 ? only : new EngineRouter(byQueue);
}
