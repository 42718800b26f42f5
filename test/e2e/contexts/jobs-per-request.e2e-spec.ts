import { describe, expect, it } from '@jest/globals';
import { Inject, Injectable, Scope, UseGuards, type CanActivate, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventEmitterModule, OnEvent } from '@nestjs/event-emitter';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { BackgroundTasks, TaskRunner } from 'nestjs-background-tasks';
import { LogBook } from '../support/log-book.js';
import { rootModule } from '../support/root-module.js';

const NIGHTLY = '0 0 3 * * *';

@Injectable()
class Nightly {
  constructor(readonly tasks: BackgroundTasks) {}

  @Cron(NIGHTLY, { name: 'sweep' })
  sweep(): void {}
}

@Injectable()
class Mailer {
  @Inject(BackgroundTasks) readonly tasks!: BackgroundTasks;
}

@Injectable()
class Indirect {
  constructor(readonly mailer: Mailer) {}

  @Interval('often', 3_600_000)
  often(): void {}

  @Timeout('once', 3_600_000)
  once(): void {}
}

class Inherited extends Nightly {}
Injectable()(Inherited);

@Injectable()
class Listener {
  constructor(readonly tasks: BackgroundTasks) {}

  @OnEvent('signup')
  signedUp(): void {}
}

@Injectable()
class AddingGuard implements CanActivate {
  constructor(readonly tasks: BackgroundTasks) {}

  canActivate(): boolean {
    return true;
  }
}

@WebSocketGateway()
@UseGuards(AddingGuard)
class Gateway {
  @SubscribeMessage('message')
  message(): void {}
}

/** What is in nobody's way: a singleton, and a class per request for a reason of its own. */
@Injectable()
class Singleton {
  constructor(readonly runner: TaskRunner) {}

  @Cron(NIGHTLY, { name: 'fine' })
  fine(): void {}
}

@Injectable({ scope: Scope.REQUEST })
class Scoped {
  @OnEvent('signup')
  signedUp(): void {}
}

@Injectable()
class Quiet {
  constructor(readonly tasks: BackgroundTasks) {}
}

async function warningsOf(...providers: Type<unknown>[]): Promise<string[]> {
  const log = new LogBook();
  const imports = [ScheduleModule.forRoot(), EventEmitterModule.forRoot()];
  const root = rootModule({ imports, providers: [Mailer, ...providers] });
  // Not bootstrapped: the gateways among them would want a server.
  const app = await NestFactory.createApplicationContext(root, { logger: log });
  await app.close();
  return log.lines.flatMap(({ level, message }) =>
    level === 'warn' && message.includes('made for each request') ? [message] : [],
  );
}

describe('at its start the module warns of jobs of a class that is made for each request', () => {
  it.each<[Type<unknown>, string]>([
    [Nightly, 'Nightly has @Cron() and needs BackgroundTasks (Nightly → BackgroundTasks)'],
    [Inherited, 'Inherited has @Cron() and needs BackgroundTasks (Inherited → BackgroundTasks)'],
    [
      Indirect,
      'Indirect has @Interval(), @Timeout() and needs BackgroundTasks (Indirect → Mailer → ',
    ],
    [Listener, 'Listener has @OnEvent() and needs BackgroundTasks (Listener → BackgroundTasks)'],
    [
      Gateway,
      'Gateway has @WebSocketGateway() and needs BackgroundTasks (Gateway → AddingGuard → ',
    ],
  ])('%p', async (type, warning) => {
    expect(await warningsOf(type)).toEqual([expect.stringContaining(warning)]);
  });

  it('and of no other', async () => {
    expect(await warningsOf(Singleton, Scoped, Quiet)).toEqual([]);
  });

  it('for Nest leaves them unregistered', async () => {
    const root = rootModule({
      imports: [ScheduleModule.forRoot()],
      providers: [Nightly, Singleton],
    });
    const app = await NestFactory.createApplicationContext(root, { logger: false });
    expect([...app.get(SchedulerRegistry).getCronJobs().keys()]).toEqual(['fine']);
    await app.close();
  });

  it('and an application without jobs, gateways and handlers of messages starts without a warning', async () => {
    const log = new LogBook();
    const app = await NestFactory.create(rootModule({}), { logger: log });
    app.enableShutdownHooks(['SIGTERM']);
    await app.listen(0, '127.0.0.1');
    await app.close();
    expect(log.lines.filter(({ level }) => level !== 'log' && level !== 'debug')).toEqual([]);
  });
});
