import { NestFactory } from '@nestjs/core';
import { AppModule } from '../../../sample/app.module.js';
import { LogBook } from '../support/log-book.js';
import type { Platform } from '../support/platforms.js';
import { listen, type RunningApp } from '../support/running-app.js';

/** The sample as `sample/main.ts` starts it, on a free port; closed after the test. */
export async function startSample(platform: Platform): Promise<RunningApp> {
  const log = new LogBook();
  const nest = await NestFactory.create(AppModule, platform.createAdapter(), {
    logger: log,
    abortOnError: false,
  });
  return listen(nest, log, {});
}
