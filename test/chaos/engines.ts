import type { BackgroundTasksOptions } from 'nestjs-background-tasks';
import { bullmq } from '../../lib/engine/bullmq/index.js';
import { journal } from '../../lib/engine/journal/index.js';
import type { ServerSetting } from './server-process.js';

type Engine = BackgroundTasksOptions['engine'];

/** By the name that `--engine` takes. An engine without a service gets along with the folder. */
const ENGINES: Record<string, (setting: ServerSetting) => Engine> = {
  memory: () => undefined,
  journal: ({ folder, maxStarts }) => journal({ path: `${folder}/journal`, maxStarts }),
  redis: shared,
  postgres: shared,
};

/** What the dead have left is found sooner than by default: nobody waits for it that long. */
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
