import { expect, it } from '@jest/globals';
import { onEachPlatform } from './support/platforms.js';
import { runProcess } from './support/process.js';

onEachPlatform(({ name }) => {
  it('app.close() leaves nothing open: the process ends by itself', async () => {
    const ended = await runProcess('serve-once.ts', [name]);

    expect(ended).toMatchObject({ code: 0, signal: null, errors: '' });
    expect(ended.output.split('\n')).toEqual(['answered', 'the task ran', 'closed', '0', '']);
  });
});
