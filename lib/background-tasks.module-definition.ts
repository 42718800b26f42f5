import { ConfigurableModuleBuilder, type ConfigurableModuleAsyncOptions } from '@nestjs/common';
import type { BackgroundTasksOptions } from './options/module-options.js';

/** Nest's own making of a dynamic module: `forRoot()`, `forRootAsync()` and the token of what they are given. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<BackgroundTasksOptions>({ moduleName: 'BackgroundTasks' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createBackgroundTasksOptions')
    .build();

/** What `forRootAsync()` takes: one of `useFactory`, `useClass` and `useExisting`. */
export type BackgroundTasksAsyncOptions = ConfigurableModuleAsyncOptions<
  BackgroundTasksOptions,
  'createBackgroundTasksOptions'
>;

/** For `useClass` and `useExisting`. */
export interface BackgroundTasksOptionsFactory {
  /** Called once, at start-up. */
  createBackgroundTasksOptions(): BackgroundTasksOptions | Promise<BackgroundTasksOptions>;
}
