import type { BackgroundTasksOptions } from 'nestjs-background-tasks';
import { bullmq } from '../../lib/engine/bullmq/index.js';
import { journal } from '../../lib/engine/journal/index.js';
import type { ServerSetting } from './server-process.js';

type Engine = BackgroundTasksOptions['engine'];

/** By the value of `--engine`. An engine without a server needs the folder only. */
const ENGINES: Record<string, (setting: ServerSetting) => Engine> = {
  memory: () => undefined,
  journal: ({ folder, maxStarts }) => journal({ path: `${folder}/journal`, maxStarts }),
  redis: shared,
  postgres: shared,
};

/** Tasks of dead processes are found sooner than by default, to save time. */
function shared({ url = '', role, maxStarts, holdMs }: ServerSetting): Engine {
  return bullmq({ connection: url, role, maxStarts, hold: holdMs, lockDuration: '3s' });
}

export function engineOf(setting: ServerSetting): Engine {
  const make = ENGINES[setting.engine];
  if (make === undefined) {
    const names = Object.keys(ENGINES).join(', ');
    throw new Error(`--engine is one of ${names}, not "${setting.engine}".`);
  }
  return make(setting);
}
