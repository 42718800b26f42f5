import { beforeAll, expect, it } from '@jest/globals';
import { runProcess } from './support/process.js';

// nest-winston is CommonJS and requires Nest, which Node.js can load and jest cannot.
const lines = new Map<string, string>();

beforeAll(async () => {
  const { output } = await runProcess('winston-lines.ts');
  for (const line of output.split('\n').filter((each) => each.includes('TypeError'))) {
    const [format, text] = JSON.parse(line) as [string, string];
    lines.set(format, (lines.get(format) ?? '') + text);
  }
});

it.each(['json', 'simple', 'printf', 'nestLike'])(
  'O9, O10: sentence and stack, and nothing secret, by nest-winston in the format %s()',
  (format) => {
    const text = lines.get(format);
    expect(text).toMatch(/Task broken \([\w-]+\) failed after 1 attempt, .*: TypeError: none at /);
    expect(text).toMatch(/TypeError: none at redis:\/\/\*\*\*@host(\n|\\n) {4}at /);
    expect(text).not.toMatch(/undefined|s3cret|:pw@/);
  },
);

it('O10: the same fields as every logger of JSON has, by nest-winston', () => {
  expect(JSON.parse(lines.get('json') ?? '')).toMatchObject({
    level: 'error',
    context: 'BackgroundTasks',
    event: 'failed',
    taskName: 'broken',
    queue: 'default',
    attempt: 1,
    durationMs: expect.any(Number),
    message: expect.stringMatching(/^Task broken /),
    error: { name: 'TypeError', message: 'none at redis://***@host', code: 'E_NONE' },
    stack: expect.stringMatching(/^TypeError: none at redis:\/\/\*\*\*@host\n {4}at /),
  });
});
