import { Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import {
  BackgroundTasksModule,
  TaskRunner,
  type BackgroundTasksOptions,
  type BackgroundTasksOptionsFactory,
} from '../../../lib/index.js';

const OPTIONS: BackgroundTasksOptions = { queues: { mails: {} } };

function start(...imports: readonly (Type | DynamicModule)[]) {
  return Test.createTestingModule({ imports: [...imports] })
    .compile()
    .then((module) => module.init());
}

describe('BackgroundTasksModule', () => {
  it('imported twice is refused', async () => {
    const both = [BackgroundTasksModule.forRoot(), BackgroundTasksModule.forRoot()];
    await expect(start(...both)).rejects.toMatchObject({
      name: 'DuplicateModuleError',
      code: 'BGT_DUPLICATE_MODULE',
      message:
        'BackgroundTasksModule is registered 2 times in this application. It is global: call ' +
        'forRoot() or forRootAsync() once, in the root module, and inject its providers anywhere.',
    });
  });

  it.each<[string, readonly (Type | DynamicModule)[]]>([
    ['alone', [BackgroundTasksModule]],
    ['beside forRoot()', [BackgroundTasksModule.forRoot(), BackgroundTasksModule]],
  ])('imported as a bare class, %s, is refused with what to import', async (_, imports) => {
    await expect(start(...imports)).rejects.toMatchObject({
      code: 'BGT_INVALID_OPTION',
      message:
        'The options of BackgroundTasksModule: there are none, because the class itself is ' +
        'imported. Import BackgroundTasksModule.forRoot() once, in the root module; it is ' +
        'global, and no other module has to import it.',
    });
  });

  it.each(['forRoot', 'forRootAsync'] as const)('%s() refuses wrong options', async (how) => {
    const options = { queue: {} } as BackgroundTasksOptions;
    const module =
      how === 'forRoot'
        ? BackgroundTasksModule.forRoot(options)
        : BackgroundTasksModule.forRootAsync({ useFactory: () => options });
    await expect(start(module)).rejects.toMatchObject({
      code: 'BGT_UNKNOWN_OPTION',
      message: 'Unknown option "queue". Did you mean "queues"?',
    });
  });
});

describe('forRootAsync()', () => {
  it.each([undefined, {}, [], { useValue: {} }, { useFactory: {} }])('refuses %j', (options) => {
    expect(() => BackgroundTasksModule.forRootAsync(options as never)).toThrow(
      'The options of BackgroundTasksModule: forRootAsync() expects one of useFactory, useClass and useExisting.',
    );
  });

  @Injectable()
  class Settings implements BackgroundTasksOptionsFactory {
    createBackgroundTasksOptions(): BackgroundTasksOptions {
      return OPTIONS;
    }
  }

  @Module({ providers: [Settings], exports: [Settings] })
  class SettingsModule {}

  it.each<[string, () => DynamicModule]>([
    [
      'a factory with what it injects',
      () =>
        BackgroundTasksModule.forRootAsync({
          imports: [SettingsModule],
          inject: [Settings],
          useFactory: (settings: Settings) => settings.createBackgroundTasksOptions(),
        }),
    ],
    [
      'an async factory',
      () => BackgroundTasksModule.forRootAsync({ useFactory: () => Promise.resolve(OPTIONS) }),
    ],
    ['a class', () => BackgroundTasksModule.forRootAsync({ useClass: Settings })],
    [
      'an existing provider',
      () =>
        BackgroundTasksModule.forRootAsync({ imports: [SettingsModule], useExisting: Settings }),
    ],
  ])('takes %s', async (_, configure) => {
    const app = await start(configure());
    const runner = app.get(TaskRunner);
    const handle = runner.addTask({ queue: 'mails' }, () => undefined);
    expect(await handle.whenSettled()).toMatchObject({ status: 'completed' });
    expect(() => runner.addTask({ queue: 'mail' }, () => undefined)).toThrow(
      'Unknown queue "mail". Did you mean "mails"?',
    );
    await app.close();
  });
});
