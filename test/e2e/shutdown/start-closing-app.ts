import type { BackgroundTasksOptions } from 'nestjs-background-tasks';
import { ChildApp } from '../support/child-app.js';

interface Setup {
  readonly platform: string;
  readonly options?: BackgroundTasksOptions;
}

/** Started and listening. */
export function startClosingApp(setup: Setup): Promise<{ child: ChildApp; port: number }> {
  return startApp('closing-app.ts', setup);
}

/** Started and listening: one of `test/e2e/processes/`. */
export async function startApp(
  file: string,
  setup: object,
): Promise<{ child: ChildApp; port: number }> {
  const child = ChildApp.start(file, JSON.stringify(setup));
  const port = Number((await child.line('port ')).slice('port '.length));
  return { child, port };
}
