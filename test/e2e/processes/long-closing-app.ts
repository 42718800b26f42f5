import { Controller, Get, Injectable, Post, Sse, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { Background, Tasks, currentTask, type BackgroundTasks } from 'nestjs-background-tasks';
import { NEVER } from 'rxjs';
import { createAdapter } from '../support/create-adapter.js';
import { rootModule } from '../support/root-module.js';
import { listenAndPrint, PrintingLogger } from './printing.js';

// Takes its time to close: other modules do, or a request does not end.
interface Setup {
  readonly platform: string;
  readonly drainTimeout: number;
  /** What Terminus sleeps between SIGTERM and the close of the server. */
  readonly terminusMs?: number;
  /** What another module takes in `onModuleDestroy()`. */
  readonly hookMs?: number;
  readonly forceCloseConnections?: boolean;
}

const setup = JSON.parse(process.argv[2] ?? '{}') as Setup;

@Injectable()
class SlowModule implements OnModuleDestroy {
  async onModuleDestroy(): Promise<void> {
    console.log('hooks of others');
    await new Promise((resolve) => setTimeout(resolve, setup.hookMs ?? 0));
  }
}

@Injectable()
class Work {
  @Background()
  async step(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    console.log(`done ${currentTask().id}`);
  }
}

@Controller()
class WorkController {
  constructor(private readonly work: Work) {}

  @Post()
  add(@Tasks() tasks: BackgroundTasks): string {
    return tasks.addTask(this.work.step).id;
  }

  @Sse('events')
  events(@Tasks() tasks: BackgroundTasks) {
    tasks.addTask({ name: 'afterwards' }, () => undefined);
    return NEVER;
  }

  @Get('hanging')
  async hanging(@Tasks() tasks: BackgroundTasks): Promise<void> {
    tasks.addTask({ name: 'hopeful' }, () => undefined);
    console.log('hanging');
    await new Promise(() => undefined);
  }
}

const { platform, drainTimeout, terminusMs, ...nest } = setup;
const app = await NestFactory.create(
  rootModule({
    options: { drainTimeout },
    imports: [TerminusModule.forRoot({ gracefulShutdownTimeoutMs: terminusMs ?? 0 })],
    controllers: [WorkController],
    providers: [Work, SlowModule],
  }),
  await createAdapter(platform),
  { ...nest, logger: new PrintingLogger() },
);
app.enableShutdownHooks(['SIGTERM']);
await listenAndPrint(app);
