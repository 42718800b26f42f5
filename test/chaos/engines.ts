import type { BackgroundTasksOptions } from 'nestjs-background-tasks';
import { journal } from '../../lib/engine/journal/index.js';
import type { ServerSetting } from './server-process.js';

type Engine = BackgroundTasksOptions['engine'];

/** By the name that `--engine` takes. An engine without a service gets along with the folder. */
const ENGINES: Record<string, (setting: ServerSetting) => Engine> = {
  memory: () => undefined,
  journal: ({ folder, maxStarts }) => journal({ path: `${folder}/journal`, maxStarts }),
};

export function engineOf(setting: ServerSetting): Engine {
  const make = ENGINES[setting.engine];
  if (make === undefined) {
    const names = Object.keys(ENGINES).join(', ');
    throw new Error(`--engine is one of ${names}, not "${setting.engine}".`);
  }
  return make(setting);
}
