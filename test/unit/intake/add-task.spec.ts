import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { BackgroundTasks, type TaskHandle } from '../../../lib/index.js';
import { CaptureWatch } from '../../../lib/intake/captured-request.js';
import { createApp } from '../support/app.js';
import { createKit } from '../support/kit.js';

/** As JavaScript sees it: the types would not allow what is refused here. */
type Add = (...call: readonly unknown[]) => TaskHandle;

const EXPECTED =
  'Pass the function without calling it, its arguments after it: addTask(fn, ...args) or ' +
  'addTask(options, fn, ...args).';

/** Both ways to add a task refuse this call, and nothing is added. */
async function expectRefused(call: readonly unknown[], refusal: string | object): Promise<void> {
  const { clock, handle, runner, record } = createKit();
  const events = record();
  expect(() => (runner.addTask as Add).apply(runner, [...call])).toThrow(refusal);
  await handle((tasks) => {
    expect(() => (tasks.addTask as Add).apply(tasks, [...call])).toThrow(refusal);
  });
  await clock.settle();
  expect(events).toEqual([]);
}

describe('addTask() without a function', () => {
  it.each<[string, readonly unknown[], string]>([
    ['nothing', [], 'undefined'],
    ['null', [null], 'null'],
    ['a string', ['sendMail'], "'sendMail'"],
    ['a promise: the function was called', [Promise.resolve()], 'a promise'],
    ['an array', [['sendMail', 5]], 'an array'],
    ['an instance', [new Date(0)], 'an object (Date)'],
    ['options, then nothing', [{ queue: 'default' }], 'undefined after the options'],
    ['options, then a promise', [{}, Promise.resolve()], 'a promise after the options'],
    ['options, then options', [{}, {}], 'an object (Object) after the options'],
  ])('is refused: %s', (_, call, received) =>
    expectRefused(
      call,
      expect.objectContaining({
        name: 'NotAFunctionError',
        code: 'BGT_NOT_A_FUNCTION',
        message: `addTask() expects a function, got ${received}. ${EXPECTED}`,
      }),
    ),
  );
});

describe('a method without its object', () => {
  const NOT_CALLED = new Set(['constructor', 'toJSON']);
  const { runner, handle } = createKit();
  const methods = (of: object): [string, Add][] =>
    Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(of) as object))
      .filter(([name, { value }]) => typeof value === 'function' && !NOT_CALLED.has(name))
      .map(([name, { value }]) => [`${of.constructor.name}.${name}`, value as Add]);
  let tasks = {};
  beforeAll(() => handle((given) => void (tasks = given)));

  it('rejects with an error that says how to call it', async () => {
    const task = runner.addTask(() => undefined);
    const chain = runner.chain();
    const within = runner.using({ query: () => Promise.resolve() });
    const all = [tasks, runner, task, chain, within].flatMap(methods);
    const ends = all.map(async ([name, method]) => {
      try {
        await (method() as unknown);
        return `${name} was accepted`;
      } catch (error) {
        return `${name}: ${String(error)}`;
      }
    });
    expect(all.map(([name]) => name)).toContain('TaskChain.addTask');
    const others = (await Promise.all(ends)).filter(
      (end) => !/TypeError: A method of .* was called without its object/.test(end),
    );
    expect(others).toEqual([]);
  });
});

describe('addTask() with wrong options', () => {
  it.each<[unknown, string]>([
    [{ queu: 'default' }, 'Unknown option "queu". Did you mean "queue"?'],
    [
      { retry: { attempts: 0 } },
      'Option "retry.attempts": expected a whole number from 1 or Infinity, got 0.',
    ],
  ])('is refused: %p', (options, message) => expectRefused([options, () => undefined], message));
});

describe('addTask() with a key function that returns no key', () => {
  it.each<[string, () => unknown]>([
    ['undefined', () => undefined],
    ["''", () => ''],
    ['7', () => 7],
    ['a promise', () => Promise.resolve('k')],
    ['a promise', () => Promise.reject(new Error('no key'))],
  ])('is refused, and nothing else with it: %s', async (made, key) => {
    const { clock, handle, runner, record } = createKit();
    const events = record();
    const body = jest.fn();
    for (const [option, options] of [
      ['dedupe.key', { dedupe: { key } }],
      ['concurrencyKey', { concurrencyKey: key }],
    ] as const) {
      const refusal = expect.objectContaining({
        name: 'InvalidOptionError',
        message: `Option "${option}": the function returned ${made}; expected a non-empty string.`,
      });
      expect(() => (runner.addTask as Add).call(runner, options, body, 1)).toThrow(refusal);
      await handle((tasks) => {
        expect(() => (tasks.addTask as Add).call(tasks, options, body, 2)).toThrow(refusal);
        tasks.addTask(body, option);
      });
    }
    // A rejection that nobody owns would be reported by now.
    await clock.settle();
    expect(body.mock.calls).toEqual([['dedupe.key'], ['concurrencyKey']]);
    expect(events.filter(({ type }) => type === 'added')).toHaveLength(2);
  });
});

describe('addTask()', () => {
  it.each<[string, unknown]>([
    ['no string', 5],
    ['a symbol', Symbol('name')],
    ['empty', ''],
  ])('names a function anonymous if its name is %s', async (_, name) => {
    const { clock, runner } = createKit();
    const task = runner.addTask(Object.defineProperty(() => undefined, 'name', { value: name }));
    expect(task.name).toBe('anonymous');
    await clock.settle();
    expect(task.status).toBe('completed');
  });
});

it('BackgroundTasks refuses outside a request, and names TaskRunner', async () => {
  const { module, record } = await createApp();
  const events = record();
  const tasks = await module.resolve(BackgroundTasks);
  const add = () => tasks.addTask(() => undefined);
  expect(add).toThrow(
    expect.objectContaining({
      name: 'NoRequestError',
      code: 'BGT_NO_REQUEST',
      message:
        'BackgroundTasks collects the tasks of a request, and no request is being handled ' +
        'here. Outside a request (cron jobs, scripts, consumers) inject TaskRunner and call ' +
        'its addTask().',
    }),
  );
  expect(events).toEqual([]);
});

const request = new IncomingMessage(new Socket());
request.httpVersion = '1.1';
const response = new ServerResponse(request);

const watch = (): { readonly seen: string[]; readonly captures: CaptureWatch } => {
  const seen: string[] = [];
  const captures = new CaptureWatch((name, position) => {
    seen.push(`${name}, ${position}`);
  });
  return { seen, captures };
};

function warningsOf(argument: unknown): string[] {
  const { seen, captures } = watch();
  captures.look('task', [argument]);
  return seen;
}

describe('an argument that may be closed when its task runs', () => {
  it.each([
    ["Node's request, which is Express's", request],
    ["Node's response, which is Express's", response],
    ["Fastify's request", { raw: request, id: 'req-1' }],
    ["Fastify's reply", { raw: response, hijack: () => undefined }],
    ["fetch's request", new Request('http://localhost/')],
    ["fetch's response", new Response('text')],
    ['a readable stream', Readable.from([])],
    ['a duplex stream', new PassThrough()],
    ['a web stream', new Blob(['text']).stream()],
  ])('is %s', (_, argument) => {
    expect(warningsOf(argument)).toEqual(['task, 1']);
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a plain object', { id: 1, raw: 'text', body: {}, headers: {} }],
    ['a buffer', Buffer.from('text')],
    ['an object without a prototype', Object.create(null)],
  ])('is not %s', (_, argument) => {
    expect(warningsOf(argument)).toEqual([]);
  });
});

describe('CaptureWatch', () => {
  const { NODE_ENV } = process.env;

  afterEach(() => {
    process.env['NODE_ENV'] = NODE_ENV;
  });

  it('looks at nothing in production', () => {
    process.env['NODE_ENV'] = 'production';
    const { seen, captures } = watch();
    captures.look('resize', [request]);
    expect(seen).toEqual([]);
  });
});
