import { expect, it } from '@jest/globals';
import { onEachPlatform } from './support/platforms.js';
import { runProcess } from './support/process.js';

/** Most of it goes into compiling what the process loads. */
const PATIENCE_MS = 120_000;
/** A process that takes longer to end is kept alive by something. */
const END_MS = 3_000;

onEachPlatform(({ name }) => {
  it(
    'app.close() leaves nothing open: the process ends by itself',
    async () => {
      const ended = await runProcess('serve-once.ts', [name], PATIENCE_MS);

      expect(ended).toMatchObject({ code: 0, signal: null, errors: '' });
      expect(ended.output.split('\n')).toEqual(['answered', 'the task ran', 'closed', '']);
      expect(ended.lingeredMs).toBeLessThan(END_MS);
    },
    PATIENCE_MS + 5_000,
  );
});
