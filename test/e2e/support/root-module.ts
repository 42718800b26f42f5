import {
  Module,
  type INestApplication,
  type MiddlewareConsumer,
  type ModuleMetadata,
  type NestModule,
  type Type,
} from '@nestjs/common';
import { BackgroundTasksModule, type BackgroundTasksOptions } from 'nestjs-background-tasks';

/** An application of a test. */
export interface AppSetup extends Pick<ModuleMetadata, 'imports' | 'controllers' | 'providers'> {
  readonly options?: BackgroundTasksOptions;
  readonly middleware?: (consumer: MiddlewareConsumer) => void;
  /** What `main.ts` would do between creation and `listen()`. */
  readonly configure?: (app: INestApplication) => void;
}

export function rootModule({ options, middleware, imports = [], ...rest }: AppSetup): Type {
  const { controllers, providers } = rest;
  class RootModule implements NestModule {
    configure(consumer: MiddlewareConsumer): void {
      middleware?.(consumer);
    }
  }
  Module({
    imports: [BackgroundTasksModule.forRoot(options), ...imports],
    controllers,
    providers,
  })(RootModule);
  return RootModule;
}
