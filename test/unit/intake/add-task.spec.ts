import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { BackgroundTasks, type TaskHandle, TaskRunner } from '../../../lib/index.js';
import { CaptureWatch } from '../../../lib/intake/captured-request.js';
import { createApp } from '../support/app.js';
import { createKit } from '../support/kit.js';

/** As JavaScript sees it: the types would not allow what is refused here. */
type Add = (...call: readonly unknown[]) => TaskHandle;

const EXPECTED =
  'Pass the function without calling it, its arguments after it: addTask(fn, ...args) or ' +
  'addTask(options, fn, ...args).';

describe('addTask() with something that is no function', () => {
  const mistakes: [string, readonly unknown[], string][] = [
    ['nothing', [], 'undefined'],
    ['undefined', [undefined], 'undefined'],
    ['null', [null], 'null'],
    ['a string', ['sendMail'], "'sendMail'"],
    ['a number', [5], '5'],
    ['a promise: the function was called', [Promise.resolve()], 'a promise'],
    ['an array', [['sendMail', 5]], 'an array'],
    ['an instance', [new Date(0)], 'an object (Date)'],
    ['options, then nothing', [{ queue: 'default' }], 'undefined after the options'],
    ['options, then undefined', [{ queue: 'default' }, undefined], 'undefined after the options'],
    ['options, then a promise', [{}, Promise.resolve()], 'a promise after the options'],
    ['options, then options', [{}, {}], 'an object (Object) after the options'],
    ['options, then a name', [{}, 'sendMail'], "'sendMail' after the options"],
  ];

  it.each(mistakes)('is refused: %s', (_, call, received) => {
    const { runner, record } = createKit();
    const events = record();
    const add = () => (runner.addTask as Add).apply(runner, [...call]);
    expect(add).toThrow(
      expect.objectContaining({
        name: 'NotAFunctionError',
        code: 'BGT_NOT_A_FUNCTION',
        message: `addTask() expects a function, got ${received}. ${EXPECTED}`,
      }),
    );
    expect(events).toEqual([]);
  });

  it.each(mistakes)('is refused in a request, and adds nothing: %s', async (_, call) => {
    const { clock, handle, record } = createKit();
    const events = record();
    await handle((tasks) => {
      expect(() => (tasks.addTask as Add).apply(tasks, [...call])).toThrow(
        expect.objectContaining({ code: 'BGT_NOT_A_FUNCTION' }),
      );
    });
    await clock.settle();
    expect(events).toEqual([]);
  });
});

describe('addTask() with options it cannot have', () => {
  it.each<[unknown, string]>([
    [{ queu: 'default' }, 'Unknown option "queu". Did you mean "queue"?'],
    [
      { queue: 'defualt' },
      'Unknown queue "defualt". Did you mean "default"? ' +
        'Queues are declared in BackgroundTasksModule.forRoot({ queues: { … } }).',
    ],
    [
      { retry: { attempts: 0 } },
      'Option "retry.attempts": expected a whole number from 1 or Infinity, got 0.',
    ],
    [
      { delay: '-5s' },
      'Option "delay": expected milliseconds or a string such as ' +
        "'500ms', '30s', '5m', '2h', '1d', got '-5s'.",
    ],
  ])('is refused at once: %p', async (options, message) => {
    const { clock, handle, runner, record } = createKit();
    const events = record();
    const body = jest.fn();
    expect(() => (runner.addTask as Add).call(runner, options, body)).toThrow(message);
    await handle((tasks) => {
      expect(() => (tasks.addTask as Add).call(tasks, options, body)).toThrow(message);
    });
    await clock.settle();
    expect(body).not.toHaveBeenCalled();
    expect(events).toEqual([]);
  });
});

describe('addTask() with a function that makes no key', () => {
  it.each<[string, () => unknown]>([
    ['undefined', () => undefined],
    ["''", () => ''],
    ['7', () => 7],
    ['a promise', () => Promise.resolve('k')],
    ['a promise', () => Promise.reject(new Error('no key'))],
  ])('is refused at once, and nothing else with it: %s', async (made, key) => {
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
  it('takes options without a prototype', async () => {
    const { clock, runner } = createKit();
    const options = Object.assign(Object.create(null) as object, { name: 'bare' });
    const handle = runner.addTask(options, () => undefined);
    await clock.settle();
    expect({ name: handle.name, status: handle.status }).toEqual({
      name: 'bare',
      status: 'completed',
    });
  });

  it.each<[string, unknown]>([
    ['no string', 5],
    ['a symbol', Symbol('name')],
    ['empty', ''],
  ])('calls a function whose name is %s anonymous', async (_, name) => {
    const { clock, runner } = createKit();
    const task = runner.addTask(Object.defineProperty(() => undefined, 'name', { value: name }));
    expect(task.name).toBe('anonymous');
    await clock.settle();
    expect(task.status).toBe('completed');
  });

  it('takes a function’s properties for what they are: no options', async () => {
    const { clock, runner } = createKit();
    const body = Object.assign(jest.fn(), { queue: 'none such' });
    runner.addTask(body);
    await clock.settle();
    expect(body).toHaveBeenCalledTimes(1);
  });

  it('hands an object over as an argument, whatever it looks like', async () => {
    const { clock, runner } = createKit();
    const body = jest.fn<(...args: unknown[]) => void>();
    runner.addTask(body, { queue: 'none such' }, () => 'an argument too');
    await clock.settle();
    expect(body.mock.calls).toEqual([[{ queue: 'none such' }, expect.any(Function)]]);
  });
});

describe('BackgroundTasks', () => {
  it('outside a request refuses, and says what to use instead', async () => {
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

  it('in a request collects, in the order added', async () => {
    const { clock, handle } = await createApp();
    const ran: number[] = [];
    const handles = await handle((tasks) =>
      [1, 2, 3].map((number) => tasks.addTask((each: number) => ran.push(each), number)),
    );
    expect(handles.map(({ status }) => status)).toEqual(['queued', 'queued', 'queued']);
    await clock.settle();
    expect(ran).toEqual([1, 2, 3]);
  });
});

describe('TaskRunner', () => {
  it('queues at once in a request as well, whatever becomes of that', async () => {
    const { clock, handle, runner, module } = await createApp();
    expect(module.get(TaskRunner)).toBe(runner);
    const body = jest.fn();
    const answer = handle(() => {
      expect(runner.addTask(body).status).toBe('queued');
      throw new Error('refused');
    });
    await expect(answer).rejects.toThrow('refused');
    await clock.settle();
    expect(body).toHaveBeenCalledTimes(1);
  });
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

describe('what may be closed when its task runs', () => {
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
    ['a string', 'pipe'],
    ['a plain object', { id: 1, raw: 'text', body: {}, headers: {} }],
    ['an array', [1, 2]],
    ['a buffer', Buffer.from('text')],
    ['a date', new Date()],
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

  it('warns once for each task name, of the first argument that is one', () => {
    const { seen, captures } = watch();
    captures.look('resize', ['id', request, response]);
    captures.look('resize', [request]);
    captures.look('mail', ['id']);
    captures.look('mail', [response]);
    captures.look('mail', []);
    expect(seen).toEqual(['resize, 2', 'mail, 1']);
  });

  it('is not hurt by an argument that cannot be looked at', () => {
    const { seen, captures } = watch();
    const shy = {
      get pipe(): never {
        throw new Error('not now');
      },
    };
    captures.look('resize', [shy, request]);
    expect(seen).toEqual(['resize, 2']);
  });

  it('looks at nothing in production', () => {
    process.env['NODE_ENV'] = 'production';
    const { seen, captures } = watch();
    captures.look('resize', [request]);
    expect(seen).toEqual([]);
  });
});
