import { expect, it } from '@jest/globals';
import { Controller, Injectable, Param, Post, UseInterceptors } from '@nestjs/common';
import {
  Background,
  BackgroundTasks,
  BackgroundTasksInterceptor,
  Tasks,
} from 'nestjs-background-tasks';
import { onEachPlatform, type Platform } from '../support/platforms.js';
import { startApp, type RunningApp } from '../support/running-app.js';

@Injectable()
class Ledger {
  readonly entries: string[] = [];
  readonly write = (entry: string): void => void this.entries.push(entry);

  @Background()
  async record(entry: string): Promise<void> {
    this.entries.push(entry);
  }
}

@Controller('singleton')
class SingletonController {
  constructor(private readonly ledger: Ledger) {}

  @Post(':name')
  pay(@Param('name') name: string, @Tasks() tasks: BackgroundTasks): string {
    return handle(name, tasks, this.ledger);
  }
}

@Controller('scoped')
class ScopedController {
  constructor(
    private readonly tasks: BackgroundTasks,
    private readonly ledger: Ledger,
  ) {}

  @Post(':name')
  pay(@Param('name') name: string): string {
    return handle(name, this.tasks, this.ledger);
  }
}

/** Once too often: the module has registered it already. */
@Controller('twice')
@UseInterceptors(BackgroundTasksInterceptor)
class TwiceController {
  constructor(private readonly ledger: Ledger) {}

  @Post(':name')
  pay(@Param('name') name: string, @Tasks() tasks: BackgroundTasks): string {
    return handle(name, tasks, this.ledger);
  }
}

function handle(name: string, tasks: BackgroundTasks, ledger: Ledger): string {
  tasks.addTask({ name: 'paid' }, ledger.write, 'paid');
  tasks.addTask({ name: 'refund', when: 'failure' }, ledger.write, 'refund');
  tasks.addTask({ name: 'audit', when: 'always' }, ledger.write, 'audit');
  void ledger.record('recorded');
  if (name === 'bad') {
    throw new Error('no funds');
  }
  return name;
}

function start(platform: Platform): Promise<RunningApp> {
  return startApp(platform, {
    controllers: [SingletonController, ScopedController, TwiceController],
    providers: [Ledger],
  });
}

onEachPlatform((platform) => {
  it.each(['singleton', 'scoped', 'twice'])(
    'P3: the tasks of an HTTP handler that completed run after its response (%s)',
    async (path) => {
      const app = await start(platform);

      expect((await app.request(`/${path}/good`, { method: 'POST' })).status).toBe(201);
      await app.untilSettled(4);

      expect(app.nest.get(Ledger).entries).toEqual(['paid', 'audit', 'recorded']);
      expect(app.names('dropped')).toEqual(['refund']);
      const closedAt = await app.untilClosed(`/${path}/good`);
      expect(app.history.find(({ type }) => type === 'started')?.at).toBeGreaterThanOrEqual(
        closedAt,
      );
    },
  );

  it.each(['singleton', 'scoped', 'twice'])(
    'P3: of the tasks of an HTTP handler that failed those for a failure run (%s)',
    async (path) => {
      const app = await start(platform);

      expect((await app.request(`/${path}/bad`, { method: 'POST' })).status).toBe(500);
      await app.untilSettled(4);

      expect(app.nest.get(Ledger).entries).toEqual(['refund', 'audit']);
      expect(app.names('dropped')).toEqual(['paid', 'Ledger.record']);
    },
  );
});
