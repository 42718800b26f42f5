// A process that runs tasks: argv says where the store is, and it prints the id of each task it ran.
import 'reflect-metadata';
import { appendFileSync } from 'node:fs';
import { setImmediate as turnOfTheLoop, setTimeout as pause } from 'node:timers/promises';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Background,
  BackgroundTasksModule,
  currentTask,
  TaskRunner,
} from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';

const [connection = '', prefix = '', file = '', mode = ''] = process.argv.slice(2);

@Injectable()
class Work {
  @Background({ name: 'note' })
  async note(text: string): Promise<void> {
    appendFileSync(file, `${process.pid} ${text}\n`);
    if (mode === 'poison') {
      // Time enough for the others to have begun, and for none of them to have ended.
      await pause(text === 'poison' ? 300 : 600);
      if (text === 'poison') {
        process.kill(process.pid, 'SIGKILL');
      }
      appendFileSync(file, `${process.pid} ended ${text}\n`);
    }
    if (mode === 'owner' || (mode === 'alert' && text === 'mine')) {
      await pause(2_000);
      appendFileSync(file, `${process.pid} ended ${text}\n`);
    }
  }

  /** Takes a turn of the loop, so that two of them could overlap. */
  @Background({ name: 'fail', retry: { attempts: 3, delay: 20, jitter: 'none' } })
  async fail(text: string, times: number): Promise<void> {
    const { attempt } = currentTask();
    appendFileSync(file, `${process.pid} ${text} begins ${attempt}\n`);
    await turnOfTheLoop();
    const hasFailed = attempt <= times;
    appendFileSync(
      file,
      `${process.pid} ${text} ${hasFailed ? 'fails' : 'completes'} ${attempt}\n`,
    );
    if (hasFailed) {
      throw new Error('not yet');
    }
  }
}

@Module({
  imports: [
    BackgroundTasksModule.forRoot({
      engine: bullmq({
        connection,
        prefix,
        role: mode === 'owner' ? 'both' : 'worker',
        // Short where a dead worker is to be noticed; a busy machine would lose such a lock.
        lockDuration: mode === '' ? '30s' : '1s',
        maxStarts: 2,
      }),
    }),
  ],
  providers: [Work],
})
class WorkerModule {}

const say = (line: unknown): void => appendFileSync(file, `${process.pid} log ${String(line)}\n`);
const app = await NestFactory.createApplicationContext(WorkerModule, {
  logger: mode === 'owner' ? { log: say, warn: say, error: say } : ['error'],
});
app.enableShutdownHooks();
// None of the signals that Nest ends the process with: it is to end because nothing is left to do.
if (mode === 'owner') {
  const chain = app.get(TaskRunner).chain();
  const mine = chain.addTask(app.get(Work).note, 'mine');
  chain.addTask(app.get(Work).note, 'next');
  const { status } = await mine.whenSettled();
  appendFileSync(file, `${process.pid} settled ${status}\n`);
} else {
  process.once('SIGCONT', () => void app.close());
}
process.stdout.write('ready\n');
