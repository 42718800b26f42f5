import { expect, it } from '@jest/globals';
import { Controller, Get, Param } from '@nestjs/common';
import { Tasks, type BackgroundTasks, type TaskHandle } from 'nestjs-background-tasks';
import { onEachPlatform, type Platform } from './support/platforms.js';
import { startApp, type RunningApp } from './support/running-app.js';

interface Failing {
  readonly app: RunningApp;
  readonly handles: TaskHandle[];
}

async function startFailing(platform: Platform): Promise<Failing> {
  const handles: TaskHandle[] = [];
  const bodies: Record<string, () => unknown> = {
    throws: () => {
      throw new TypeError('out of order');
    },
    rejects: () => Promise.reject(new TypeError('out of order')),
    // What people throw is not always an error.
    throwsText: () => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw 'out of order';
    },
    throwsNothing: () => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw undefined;
    },
  };

  @Controller()
  class FailingController {
    @Get('bodies/:name')
    body(@Param('name') name: string, @Tasks() tasks: BackgroundTasks): string {
      handles.push(
        tasks.addTask({ name }, bodies[name] ?? (() => undefined)),
        tasks.addTask({ name: 'next' }, () => undefined),
      );
      return 'fine';
    }
  }

  const app = await startApp(platform, { controllers: [FailingController] });
  return { app, handles };
}

onEachPlatform((platform) => {
  it.each([
    { name: 'throws', says: 'TypeError: out of order', stack: /\n\s+at / },
    { name: 'rejects', says: 'TypeError: out of order', stack: /\n\s+at / },
    { name: 'throwsText', says: 'out of order', stack: /^.*$/ },
    { name: 'throwsNothing', says: 'undefined', stack: /^.*$/ },
  ])('P11: a body that fails ($name) hurts no other task', async ({ name, says, stack }) => {
    const { app, handles } = await startFailing(platform);
    const unhandled: unknown[] = [];
    const listener = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', listener);

    await app.request(`/bodies/${name}`);
    const outcomes = await Promise.all(handles.map((handle) => handle.whenSettled()));
    // Unhandled rejections are told of at the end of a turn of the event loop.
    await new Promise(setImmediate);
    process.off('unhandledRejection', listener);

    expect(outcomes).toMatchObject([{ status: 'failed', attempts: 1 }, { status: 'completed' }]);
    expect(unhandled).toEqual([]);
    const [line, ...others] = app.log.ofTasks('error');
    expect(others).toEqual([]);
    expect(line?.message).toContain(`${name} (${handles[0]?.id ?? ''}) failed after 1 attempt`);
    expect(line?.message).toContain(says);
    expect(line?.message).toMatch(stack);
    // And the application goes on.
    expect((await app.request('/bodies/none')).body).toBe('fine');
    expect(await app.untilSettled(4)).toMatchObject([{}, {}, { name: 'none' }, { name: 'next' }]);
  });
});
