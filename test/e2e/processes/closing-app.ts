import {
  Controller,
  Get,
  Injectable,
  Param,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  TaskRunner,
  Tasks,
  currentTask,
  type BackgroundTasks,
  type BackgroundTasksOptions,
} from 'nestjs-background-tasks';
import { DataSource } from 'typeorm';
import { createAdapter } from '../support/create-adapter.js';
import { rootModule } from '../support/root-module.js';
import { Gate } from '../support/time.js';
import { listenAndPrint, PrintingLogger } from './printing.js';

// Serves requests with tasks that need a database, prints what becomes of them, and closes when it is told to.

/** Disconnects the way Prisma's own recipe for Nest does. */
@Injectable()
class PrismaLike implements OnModuleInit, OnModuleDestroy {
  private isConnected = false;

  onModuleInit(): void {
    this.isConnected = true;
  }

  onModuleDestroy(): void {
    this.isConnected = false;
    console.log('prisma disconnected');
  }

  query(): string {
    return this.isConnected ? 'prisma' : 'no prisma';
  }
}

/** Tells that TypeORM has been closed: this one is closed right before it, by its place in the root module. */
@Injectable()
class Databases implements OnApplicationShutdown {
  constructor(
    private readonly prisma: PrismaLike,
    private readonly dataSource: DataSource,
  ) {}

  async query(): Promise<string> {
    let typeorm = 'no typeorm';
    try {
      await this.dataSource.query('INSERT INTO note (text) VALUES (?)', ['a note']);
      typeorm = 'typeorm';
    } catch (error) {
      console.log(`typeorm failed: ${String(error)}`);
    }
    return `${this.prisma.query()}, ${typeorm}`;
  }

  onApplicationShutdown(): void {
    // Nest ends the process with the signal that began the shutdown, unless somebody else listens.
    process.removeListener('SIGTERM', tellSignal);
    console.log(`databases shut down, typeorm open: ${this.dataSource.isInitialized}`);
  }
}

function tellSignal(): void {
  console.log('told to stop');
}

/** Each is opened by a message that has its name. */
const gates = { held: new Gate(), early: new Gate(), late: new Gate() };
process.on('message', (name: keyof typeof gates) => gates[name].open());
// The channel to the test is not what keeps an application alive.
process.channel?.unref();

@Controller()
class ClosingController {
  constructor(private readonly databases: Databases) {}

  @Get('held')
  held(@Tasks() tasks: BackgroundTasks): string {
    tasks.addTask({ name: 'held' }, async () => {
      console.log('held began');
      await gates.held.opened;
      console.log(`held ended with ${await this.databases.query()}`);
    });
    return 'accepted';
  }

  @Get('in-flight/:name')
  async inFlight(
    @Param('name') name: 'early' | 'late',
    @Tasks() tasks: BackgroundTasks,
  ): Promise<string> {
    console.log(`handler ${name} began`);
    await gates[name].opened;
    tasks.addTask({ name }, async () => {
      console.log(`${name} ended with ${await this.databases.query()}`);
    });
    return 'in time';
  }

  /** One task of each kind that a shutdown cannot wait for. */
  @Get('endless')
  endless(@Tasks() tasks: BackgroundTasks): string[] {
    const queue = 'narrow';
    const handles = [
      tasks.addTask({ name: 'heeds', queue }, async () => {
        const { signal } = currentTask();
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            console.log(`heeds was aborted: ${(signal.reason as Error).name}`);
            reject(new Error('stopped'));
          });
          console.log('heeds began');
        });
      }),
      tasks.addTask({ name: 'heedless', queue: 'other' }, async () => {
        console.log('heedless began');
        await new Promise(() => undefined);
      }),
      tasks.addTask({ name: 'waits', queue }, () => console.log('waits began')),
      tasks.addTask({ name: 'tomorrow', delay: '1d' }, () => console.log('tomorrow began')),
    ];
    return handles.map(({ name, id }) => `${name} (${id})`);
  }
}

interface Setup {
  readonly platform: string;
  readonly options?: BackgroundTasksOptions;
}

const setup = JSON.parse(process.argv[2] ?? '{}') as Setup;
const app = await NestFactory.create(
  rootModule({
    options: {
      queues: { narrow: { concurrency: 1 }, other: {} },
      request: { order: 'concurrent' },
      ...setup.options,
    },
    imports: [TypeOrmModule.forRoot({ type: 'sqljs' })],
    controllers: [ClosingController],
    providers: [PrismaLike, Databases],
  }),
  await createAdapter(setup.platform),
  { logger: new PrintingLogger() },
);
app.enableShutdownHooks();
process.on('SIGTERM', tellSignal);
await app.init();
await app.get(DataSource).query('CREATE TABLE note (text TEXT)');
app.get(TaskRunner).events.subscribe(({ type, name }) => {
  if (type === 'completed' || type === 'abandoned') {
    console.log(`${name} ${type}`);
  }
});
await listenAndPrint(app);
