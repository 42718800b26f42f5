import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Controller, Get, Injectable } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Background,
  TaskRunner,
  Tasks,
  currentTask,
  type BackgroundTasks,
} from 'nestjs-background-tasks';
import { ClsModule, ClsService } from 'nestjs-cls';
import { createAdapter } from '../support/create-adapter.js';
import { collectGarbage } from '../../support/garbage.js';
import { History } from '../support/history.js';
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

const [platform = ''] = process.argv.slice(2);
const app = await NestFactory.create(
  rootModule({
    imports: [
      ClsModule.forRoot({
        global: true,
        middleware: {
          mount: true,
          generateId: true,
          idGenerator: (request: { headers: Record<string, string> }) =>
            request.headers['x-request-id'] ?? 'unknown',
        },
      }),
    ],
    controllers: [TracedController],
    providers: [Trace, Mailer],
  }),
  createAdapter(platform),
  { logger: false },
);
await app.listen(0, '127.0.0.1');
const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
const history = new History(app.get(TaskRunner));
const trace = app.get(Trace);

async function get(path: string, id: string): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/${path}`, {
    headers: { 'x-request-id': id },
  });
  await response.text();
}

await get('tomorrow', 'delta');
await get('retried', 'alpha');
await history.untilSettled(1);
const retried = trace.seen.splice(0);

await Promise.all(Array.from({ length: 20 }, (_, number) => get('plain', `request-${number + 1}`)));
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
console.log(JSON.stringify({ retried, together, isInMemory }));
await app.close();
