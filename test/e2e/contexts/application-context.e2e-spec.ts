import { afterEach, expect, it } from '@jest/globals';
import { Injectable, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, TaskRunner } from 'nestjs-background-tasks';
import { History } from '../support/history.js';
import { rootModule } from '../support/root-module.js';
import { Gate } from '../support/time.js';

@Injectable()
class Importer {
  readonly imported: string[] = [];
  readonly begun = new Gate();
  readonly end = new Gate();

  @Background({ queue: 'imports' })
  async load(file: string): Promise<void> {
    this.begun.open();
    await this.end.opened;
    this.imported.push(file);
  }
}

let context: INestApplicationContext | undefined;

afterEach(async () => {
  await context?.close();
});

async function start(): Promise<{ app: INestApplicationContext; importer: Importer }> {
  context = await NestFactory.createApplicationContext(
    rootModule({
      options: { queues: { imports: { concurrency: 1 } } },
      providers: [Importer],
    }),
    { logger: false, abortOnError: false },
  );
  return { app: context, importer: context.get(Importer) };
}

it('P6: a script queues tasks at once and can wait for them', async () => {
  const { app, importer } = await start();
  const runner = app.get(TaskRunner);

  importer.end.open();
  await importer.load('one.csv');
  const handle = runner.addTask(
    { name: 'report', queue: 'imports' },
    (title: string) => void importer.imported.push(title),
    'all loaded',
  );
  expect(handle).toMatchObject({ name: 'report', queue: 'imports', status: 'queued' });
  await runner.whenIdle();

  expect(importer.imported).toEqual(['one.csv', 'all loaded']);
});

it('P13: a script that closes its context waits for its tasks', async () => {
  const { app, importer } = await start();
  const history = new History(app.get(TaskRunner));

  await importer.load('one.csv');
  await importer.load('two.csv');
  await importer.begun.opened;
  const closed = app.close();
  importer.end.open();
  await closed;

  expect(importer.imported).toEqual(['one.csv', 'two.csv']);
  expect(history.names('completed')).toEqual(['Importer.load', 'Importer.load']);
});
