import { Test } from '@nestjs/testing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TaskRunner } from 'nestjs-background-tasks';
import { Audit, ENDINGS, EVERY_PLACE } from '../request/endings.js';
import { rootModule } from '../support/root-module.js';

// What Fastify injects requests with cannot be loaded inside jest, so a process of its own does it, and prints what
// came of each.
for (const { ending, path } of ENDINGS) {
  const module = await Test.createTestingModule({ imports: [rootModule(EVERY_PLACE)] }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), {
    logger: false,
  });
  EVERY_PLACE.configure(app);
  await app.init();

  let added = 0;
  let settled = 0;
  let look: (() => void) | undefined;
  app.get(TaskRunner).events.subscribe(({ type }) => {
    added += type === 'added' ? 1 : 0;
    settled += type === 'completed' || type === 'dropped' ? 1 : 0;
    look?.();
  });
  const { statusCode: status } = await app.inject(path);
  await new Promise<void>((resolve) => {
    look = () => (settled === added ? resolve() : undefined);
    look();
  });

  console.log(JSON.stringify({ ending, status, ran: app.get(Audit).ran }));
  await app.close();
}
