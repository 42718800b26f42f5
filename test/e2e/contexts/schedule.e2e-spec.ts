import { afterEach, expect, it } from '@jest/globals';
import { Injectable, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Cron, Interval, ScheduleModule, SchedulerRegistry, Timeout } from '@nestjs/schedule';
import { Background, TaskRunner } from 'nestjs-background-tasks';
import { History } from '../support/history.js';
import { rootModule } from '../support/root-module.js';

const AT_THREE = '0 0 3 * * *';

@Injectable()
class Reports {
  readonly written: string[] = [];

  @Background()
  async write(name: string): Promise<void> {
    this.written.push(name);
  }
}

/** A singleton, as Nest demands of whatever it schedules. */
@Injectable()
class Nightly {
  constructor(
    private readonly runner: TaskRunner,
    private readonly reports: Reports,
  ) {}

  @Cron(AT_THREE, { name: 'adds a task' })
  sweep(): void {
    this.runner.addTask({ name: 'sweep' }, () => void this.reports.written.push('sweep'));
  }

  @Cron(AT_THREE, { name: 'calls a method' })
  async report(): Promise<void> {
    await this.reports.write('nightly');
  }

  @Cron(AT_THREE, { name: 'is a task' })
  @Background()
  async archive(): Promise<void> {
    this.reports.written.push('archive');
  }

  @Background()
  @Cron(AT_THREE, { name: 'is a task, the other way round' })
  async prune(): Promise<void> {
    this.reports.written.push('prune');
  }

  @Interval('hourly', 3_600_000)
  @Background()
  async ping(): Promise<void> {
    this.reports.written.push('ping');
  }

  @Timeout('soon', 1)
  async soon(): Promise<void> {
    await this.reports.write('soon');
  }
}

let app: INestApplicationContext | undefined;

afterEach(async () => {
  await app?.close();
});

async function start(): Promise<{
  readonly registry: SchedulerRegistry;
  readonly history: History;
  readonly written: string[];
}> {
  app = await NestFactory.createApplicationContext(
    rootModule({ imports: [ScheduleModule.forRoot()], providers: [Nightly, Reports] }),
    { logger: false, abortOnError: false },
  );
  return {
    registry: app.get(SchedulerRegistry),
    history: new History(app.get(TaskRunner)),
    written: app.get(Reports).written,
  };
}

it('P6: what adds tasks can be scheduled: cron jobs, intervals and timeouts are registered', async () => {
  const { registry } = await start();

  expect([...registry.getCronJobs().keys()].toSorted()).toEqual([
    'adds a task',
    'calls a method',
    'is a task',
    'is a task, the other way round',
  ]);
  expect(registry.getIntervals()).toEqual(['hourly']);
});

it.each([
  { job: 'adds a task', task: 'sweep', entry: 'sweep' },
  { job: 'calls a method', task: 'Reports.write', entry: 'nightly' },
  { job: 'is a task', task: 'Nightly.archive', entry: 'archive' },
  { job: 'is a task, the other way round', task: 'Nightly.prune', entry: 'prune' },
])('P6: a task of a cron job that $job is queued at once', async ({ job, task, entry }) => {
  const { registry, history, written } = await start();

  await registry.getCronJob(job).fireOnTick();
  await history.untilSeen('completed', task);

  expect(written).toContain(entry);
});

it('P6: a task of what the clock has called is queued at once', async () => {
  const { history, written } = await start();

  await history.untilSeen('completed', 'Reports.write');

  expect(written).toEqual(['soon']);
});
