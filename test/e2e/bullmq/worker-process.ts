// A process that runs tasks: argv says where the store is, and it prints the id of each task it ran.
import 'reflect-metadata';
import { appendFileSync } from 'node:fs';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Background, BackgroundTasksModule } from 'nestjs-background-tasks';
import { bullmq } from 'nestjs-background-tasks/bullmq';

const [connection = '', prefix = '', file = '', mode = ''] = process.argv.slice(2);

@Injectable()
class Work {
  @Background({ name: 'note' })
  async note(text: string): Promise<void> {
    appendFileSync(file, `${process.pid} ${text}\n`);
    if (mode === 'hang') {
      await new Promise(() => undefined);
    }
  }
}

@Module({
  imports: [
    BackgroundTasksModule.forRoot({
      engine: bullmq({
        connection,
        prefix,
        role: 'worker',
        // Short where a dead worker is to be noticed; a busy machine would lose such a lock.
        lockDuration: mode === '' ? '30s' : '1s',
        maxStarts: 2,
      }),
    }),
  ],
  providers: [Work],
})
class WorkerModule {}

const app = await NestFactory.createApplicationContext(WorkerModule, { logger: ['error'] });
app.enableShutdownHooks();
// None of the signals that Nest ends the process with: it is to end because nothing is left to do.
process.once('SIGCONT', () => void app.close());
process.stdout.write('ready\n');
