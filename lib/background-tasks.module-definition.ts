import { ConfigurableModuleBuilder, type ConfigurableModuleAsyncOptions } from '@nestjs/common';
import type { BackgroundTasksOptions } from './options/module-options.js';

/** `forRoot()`, `forRootAsync()` and the token of their options, as Nest makes them. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<BackgroundTasksOptions>({ moduleName: 'BackgroundTasks' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createBackgroundTasksOptions')
    .build();

/** The options of `forRootAsync()`: one of `useFactory`, `useClass` and `useExisting`. */
export type BackgroundTasksAsyncOptions = ConfigurableModuleAsyncOptions<
  BackgroundTasksOptions,
  'createBackgroundTasksOptions'
>;

/** A class for `useClass` and `useExisting`. */
export interface BackgroundTasksOptionsFactory {
  /** Called once, at start-up. */
  createBackgroundTasksOptions(): BackgroundTasksOptions | Promise<BackgroundTasksOptions>;
}
