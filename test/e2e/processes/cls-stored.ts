import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, TaskRunner } from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { CLS_ID, ClsServiceManager } from 'nestjs-cls';
import { rootModule } from '../support/root-module.js';

// nestjs-cls cannot be loaded inside jest. This process prints what a stored task saw of it.
const cls = ClsServiceManager.getClsService();
const seen: unknown[] = [];

@Injectable()
class Audit {
  @Background()
  async write(): Promise<void> {
    seen.push([cls.getId(), cls.get('tenant'), cls.get('client') ?? 'no client']);
  }
}

const path = await mkdtemp(join(tmpdir(), 'bgt-cls-'));
const app = await NestFactory.createApplicationContext(
  rootModule({
    providers: [Audit],
    options: {
      engine: journal({ path }),
      carry: {
        capture: () =>
          cls.isActive() ? { id: cls.getId(), tenant: cls.get<string>('tenant') } : {},
        restore: (carried, run) =>
          cls.run(() => {
            const { id, tenant } = carried as { id?: string; tenant?: string };
            cls.set(CLS_ID, id);
            cls.set('tenant', tenant);
            return run();
          }),
      },
    },
  }),
  { logger: false },
);
await cls.run(async () => {
  cls.set(CLS_ID, 'alpha');
  cls.set('tenant', 'acme');
  cls.set('client', { isReleased: true });
  await app.get(Audit).write();
});
await app.get(TaskRunner).whenIdle();
await app.close();
await rm(path, { recursive: true });
process.stdout.write(JSON.stringify(seen));
