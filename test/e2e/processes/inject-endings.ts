import { Test } from '@nestjs/testing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { TaskRunner } from 'nestjs-background-tasks';
import { Audit, ENDINGS, EVERY_PLACE } from '../request/endings.js';
import { History } from '../support/history.js';
import { rootModule } from '../support/root-module.js';

// What Fastify injects requests with cannot be loaded inside jest, so a process of its own does it, and prints what
// came of each.
const module = await Test.createTestingModule({ imports: [rootModule(EVERY_PLACE)] }).compile();
const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), {
  logger: false,
});
EVERY_PLACE.configure(app);
await app.init();
const history = new History(app.get(TaskRunner));
for (const { ending, path } of ENDINGS) {
  const { statusCode: status } = await app.inject(path);
  await history.untilAllSettled();
  console.log(JSON.stringify({ ending, status, ran: app.get(Audit).ran.splice(0) }));
}
await app.close();
