import { once } from 'node:events';
import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { Controller, Get, Injectable, StreamableFile, type OnModuleDestroy } from '@nestjs/common';
import { Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { open } from './support/client.js';
import { onEachPlatform, type Platform } from './support/platforms.js';
import { startApp, type RunningApp } from './support/running-app.js';
import { Gate } from './support/time.js';

interface Closing {
  readonly app: RunningApp;
  readonly begun: Gate;
  readonly end: Gate;
  /** What happened, in its order. */
  readonly seen: string[];
  /** Open as soon as the application is closing. */
  readonly isClosing: Gate;
}

async function startClosing(platform: Platform): Promise<Closing> {
  const begun = new Gate();
  const end = new Gate();
  const isClosing = new Gate();
  const seen: string[] = [];

  @Injectable()
  class Database implements OnModuleDestroy {
    onModuleDestroy(): void {
      seen.push('the database closes');
      isClosing.open();
    }
  }

  @Controller()
  class ClosingController {
    @Get('quick')
    quick(@Tasks() tasks: BackgroundTasks): void {
      tasks.addTask(async () => {
        begun.open();
        await end.opened;
        seen.push('the task ends');
      });
    }

    @Get('in-flight')
    async inFlight(@Tasks() tasks: BackgroundTasks): Promise<string> {
      tasks.addTask(() => void seen.push('the task ends'));
      begun.open();
      await end.opened;
      return 'in time';
    }

    @Get('endless')
    endless(@Tasks() tasks: BackgroundTasks): StreamableFile {
      tasks.addTask(() => void seen.push('the task ends'));
      const chunk = Buffer.alloc(64 * 1024);
      return new StreamableFile(
        new Readable({
          read(): void {
            this.push(chunk);
          },
        }),
      );
    }
  }

  const app = await startApp(platform, { controllers: [ClosingController], providers: [Database] });
  return { app, begun, end, seen, isClosing };
}

onEachPlatform((platform) => {
  it('P13: app.close() waits for the task that runs before it closes anything', async () => {
    const { app, begun, end, seen } = await startClosing(platform);

    await app.request('/quick');
    await begun.opened;
    const closed = app.nest.close();
    end.open();
    await closed;

    expect(seen).toEqual(['the task ends', 'the database closes']);
  });

  it('P13: app.close() waits for the tasks of a request that is answered meanwhile', async () => {
    const { app, begun, end, seen, isClosing } = await startClosing(platform);

    const reply = app.request('/in-flight');
    await begun.opened;
    const closed = app.nest.close();
    await isClosing.opened;
    end.open();
    expect((await reply).body).toBe('in time');
    await closed;

    expect(seen).toEqual(['the database closes', 'the task ends']);
    expect(app.names('abandoned')).toEqual([]);
  });

  it('P13: app.close() runs what was committed for a client that leaves meanwhile', async () => {
    const { app, seen, isClosing } = await startClosing(platform);

    const response = await open(app.port, '/endless');
    await once(response, 'data');
    const closed = app.nest.close();
    await isClosing.opened;
    response.destroy();
    await closed;

    expect(seen).toEqual(['the database closes', 'the task ends']);
    expect(app.names('abandoned')).toEqual([]);
  });
});
