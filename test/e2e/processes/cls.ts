import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Controller, Get, Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Background,
  TaskRunner,
  Tasks,
  currentTask,
  type BackgroundTasks,
  type BackgroundTasksOptions,
} from 'nestjs-background-tasks';
import { journal } from 'nestjs-background-tasks/journal';
import { CLS_ID, ClsModule, ClsService, ClsServiceManager } from 'nestjs-cls';
import { createAdapter } from '../support/create-adapter.js';
import { collectGarbage } from '../../support/garbage.js';
import { History } from '../support/history.js';
import { portOf } from '../support/port-of.js';
import { rootModule } from '../support/root-module.js';
import { turns } from '../support/time.js';

// nestjs-cls cannot be loaded inside jest, so a process of its own serves the requests and prints what the tasks saw.

@Injectable()
class Trace {
  /** What the tasks saw. */
  readonly seen: string[] = [];
  readonly stores: WeakRef<object>[] = [];

  constructor(private readonly cls: ClsService) {}

  note(place: string): void {
    this.seen.push(`${place}: ${this.cls.getId()} of ${this.cls.get<string>('tenant')}`);
  }

  follow(): void {
    this.cls.set('tenant', 'acme');
    this.stores.push(new WeakRef(this.cls.get()));
  }
}

@Injectable()
class Mailer {
  constructor(private readonly trace: Trace) {}

  @Background({ retry: { attempts: 3, delay: 1, jitter: 'none' } })
  async send(): Promise<void> {
    const { attempt } = currentTask();
    this.trace.note(`attempt ${attempt}`);
    await turns(2);
    this.trace.note(`attempt ${attempt}, later`);
    if (attempt < 3) {
      throw new Error('not yet');
    }
  }
}

@Controller()
class TracedController {
  constructor(
    private readonly mailer: Mailer,
    private readonly trace: Trace,
  ) {}

  @Get('retried')
  async retried(): Promise<void> {
    this.trace.follow();
    await this.mailer.send();
  }

  @Get('plain')
  plain(@Tasks() tasks: BackgroundTasks): void {
    this.trace.follow();
    tasks.addTask(() => this.trace.note('plain'));
  }

  @Get('tomorrow')
  tomorrow(@Tasks() tasks: BackgroundTasks): void {
    this.trace.follow();
    tasks.addTask({ delay: '1d' }, () => this.trace.note('tomorrow'));
  }
}

const idGenerator = ({ headers }: { headers: Record<string, string> }): string =>
  headers['x-request-id'] ?? 'unknown';

/** What the tasks of requests saw on a platform, and which stores are still in memory at the end. */
async function serve(platform: string): Promise<object> {
  const middleware = { mount: true, generateId: true, idGenerator };
  const app = await NestFactory.create(
    rootModule({
      imports: [ClsModule.forRoot({ global: true, middleware })],
      controllers: [TracedController],
      providers: [Trace, Mailer],
    }),
    await createAdapter(platform),
    { logger: false },
  );
  await app.listen(0, '127.0.0.1');
  const history = new History(app.get(TaskRunner));
  const trace = app.get(Trace);
  const get = async (path: string, id: string): Promise<void> => {
    const response = await fetch(`http://127.0.0.1:${portOf(app)}/${path}`, {
      headers: { 'x-request-id': id },
    });
    await response.text();
  };

  await get('tomorrow', 'delta');
  await get('retried', 'alpha');
  await history.untilSettled(1);
  const retried = trace.seen.splice(0);

  const ids = Array.from({ length: 20 }, (_, number) => `request-${number + 1}`);
  await Promise.all(ids.map((id) => get('plain', id)));
  await history.untilSettled(21);
  const together = trace.seen.splice(0);

  const [ofTomorrow, ofRetried] = trace.stores;
  do {
    // A connection may keep its last request for a while.
    await pause(20);
    await collectGarbage();
  } while (ofRetried?.deref() !== undefined);
  const isInMemory = {
    ofTomorrow: ofTomorrow?.deref() !== undefined,
    ofRetried: ofRetried?.deref() !== undefined,
  };
  await app.close();
  return { retried, together, isInMemory };
}

const audited: unknown[] = [];

@Injectable()
class Audit {
  @Background()
  async write(): Promise<void> {
    const cls = ClsServiceManager.getClsService();
    audited.push([cls.getId(), cls.get('tenant'), cls.get('client') ?? 'no client']);
  }
}

/** What a stored task saw of the context that it was added in. */
async function store(): Promise<unknown> {
  const cls = ClsServiceManager.getClsService();
  const path = await mkdtemp(join(tmpdir(), 'bgt-cls-'));
  const options: BackgroundTasksOptions = {
    engine: journal({ path }),
    carry: {
      capture: () => (cls.isActive() ? { id: cls.getId(), tenant: cls.get<string>('tenant') } : {}),
      restore: (carried, run) =>
        cls.run(() => {
          const { id, tenant } = carried as { id?: string; tenant?: string };
          cls.set(CLS_ID, id);
          cls.set('tenant', tenant);
          return run();
        }),
    },
  };
  const root = rootModule({ providers: [Audit], options });
  const app = await NestFactory.createApplicationContext(root, { logger: false });
  await cls.run(async () => {
    cls.set(CLS_ID, 'alpha');
    cls.set('tenant', 'acme');
    cls.set('client', { isReleased: true });
    await app.get(Audit).write();
  });
  await app.get(TaskRunner).whenIdle();
  await app.close();
  await rm(path, { recursive: true });
  return audited;
}

const Express = await serve('Express');
const Fastify = await serve('Fastify');
console.log(JSON.stringify({ Express, Fastify, stored: await store() }));
