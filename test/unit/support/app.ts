import { afterEach } from '@jest/globals';
import type { ModuleMetadata } from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import {
  BackgroundTasks,
  BackgroundTasksModule,
  TaskRunner,
  type BackgroundTasksOptions,
} from '../../../lib/index.js';
import { Application } from '../../../lib/intake/application.js';
import { Requests } from '../../../lib/request/requests.js';
import { CLOCK } from '../../../lib/task/clock.js';
import { FakeClock } from './fake-clock.js';
import { handleMessage, recordOf } from './kit.js';
import { Probe } from './probe.js';
import { LogBook } from '../../support/log-book.js';

/** Those of the test that is running. Left open, they would take the calls of the next ones. */
const applications: Application[] = [];

afterEach(() => applications.splice(0).forEach((application) => application.leave()));

export type App = Awaited<ReturnType<typeof createApp>>;

/**
 * An application with the module in it, started, around a clock that stands still. It listens
 * nowhere and holds no timer, so nothing of it is left when a test is over.
 */
export async function createApp(
  metadata: ModuleMetadata = {},
  options: BackgroundTasksOptions = {},
) {
  const clock = new FakeClock();
  const logger = new LogBook();
  const module = await Test.createTestingModule({
    ...metadata,
    imports: [BackgroundTasksModule.forRoot(options), ...(metadata.imports ?? [])],
  })
    .overrideProvider(CLOCK)
    .useValue(clock)
    .setLogger(logger)
    .compile();
  applications.push(module.get(Application));
  await module.init();
  const runner = module.get(TaskRunner);
  const requests = module.get(Requests);

  return {
    clock,
    probe: new Probe(clock),
    logger,
    module,
    runner,

    record: () => recordOf(runner),

    handle: <T>(handler: (tasks: BackgroundTasks) => T | Promise<T>) =>
      handleMessage(
        requests,
        () => module.resolve(BackgroundTasks, ContextIdFactory.create()),
        handler,
      ),
  };
}
