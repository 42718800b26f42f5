import { describe, expect, it, jest } from '@jest/globals';
import { Observable, defer, of, throwError } from 'rxjs';
import { currentTask } from '../../../lib/index.js';
import { createKit } from '../support/kit.js';

async function outcomeOf(body: () => unknown, options: object = {}) {
  const { clock, runner } = createKit();
  const handle = runner.addTask(options, body);
  const { id } = handle;
  await clock.advance(60_000);
  return { outcome: await handle.whenSettled(), info: await runner.get(id) };
}

describe('the result of a task', () => {
  it('is what a plain function returns: in its outcome, in the list and in the event', async () => {
    const { runner, clock } = createKit();
    const seen: unknown[] = [];
    runner.events.subscribe((event) => {
      if (event.type === 'completed') {
        seen.push(event.result);
      }
    });
    const handle = runner.addTask(async (one: number, other: number) => one + other, 1, 2);
    const { id } = handle;
    await clock.advance(1);
    const outcome = await handle.whenSettled();
    // It is a number for the compiler, too.
    const sum: number | undefined = outcome.status === 'completed' ? outcome.result : undefined;
    expect(sum).toBe(3);
    expect(await runner.get(id)).toMatchObject({ result: 3, outcome: { result: 3 } });
    expect(seen).toEqual([3]);
  });

  it('is what was handed over, whatever its owner does with it afterwards', async () => {
    const rows: { count: number; self?: unknown } = { count: 1 };
    const change = () => Object.assign(rows, { count: 2, self: rows });
    for (const body of [() => (currentTask().result(rows), void change()), () => rows]) {
      rows.count = 1;
      delete rows.self;
      const { info } = await outcomeOf(body);
      change();
      expect(info?.result).toEqual({ count: 1 });
    }
  });

  it('that throws whatever it likes when it is looked at does not make a body fail', async () => {
    const hostile = new Proxy(
      {},
      {
        ownKeys: () => {
          throw Object.create(null);
        },
      },
    );
    expect((await outcomeOf(() => hostile)).outcome).toMatchObject({ status: 'completed' });
    expect((await outcomeOf(() => currentTask().result(hostile))).outcome).toMatchObject({
      error: { code: 'BGT_RESULT', message: expect.stringContaining('result cannot be read') },
    });
  });

  it.each([
    ['a date', () => ({ at: new Date() }), /result\.at is a Date/],
    ['a class instance', () => new URL('http://127.0.0.1'), /result is a URL/],
    ['a function', () => () => 1, /result is a function/],
    ['too long a text', () => 'x'.repeat(70_000), /takes 70002 bytes, and 65536 are allowed/],
    ['too many values', () => Array.from({ length: 1e6 }, () => 0), /one value too many/],
  ])(
    'cannot be %s: handed over it is an error, returned it is not kept',
    async (_, make, message) => {
      const handedOver = await outcomeOf(() => currentTask().result(make()));
      expect(handedOver.outcome).toMatchObject({
        status: 'failed',
        error: { code: 'BGT_RESULT', message: expect.stringMatching(message) },
      });
      const returned = await outcomeOf(make);
      expect(returned.info?.result).toBeUndefined();
    },
  );
});

function* steps(): Generator<number> {
  yield 1;
}
async function* asyncSteps(): AsyncGenerator<number> {
  yield 1;
}

describe('R10: a body that returned an Observable', () => {
  it.each([
    ['at once', (stream: Observable<unknown>) => stream],
    ['in a promise', async (stream: Observable<unknown>) => stream],
    ['of another library', (stream: Observable<unknown>) => ({ '@@observable': () => stream })],
  ])('is done when the Observable has completed, returned %s', async (_, give) => {
    const { clock, runner } = createKit();
    const sent: unknown[] = [];
    const post = new Observable<string>((subscriber) => {
      sent.push(currentTask().id);
      void clock.sleep(100).then(() => subscriber.complete());
    });
    const handle = runner.addTask(() => give(post));
    await clock.advance(99);
    expect(sent).toEqual([handle.id]);
    expect(handle.status).toBe('running');
    await clock.advance(1);
    expect(handle.status).toBe('completed');
  });

  it('fails and is tried again as one that throws, subscribed to anew', async () => {
    const { clock, runner } = createKit();
    let tries = 0;
    const post = defer(() => (++tries < 3 ? throwError(() => new Error('no route')) : of('sent')));
    const handle = runner.addTask({ retry: { attempts: 3 } }, () => post);
    await clock.advance(1e6);
    expect(await handle.whenSettled()).toMatchObject({ status: 'completed', attempts: 3 });
    expect(tries).toBe(3);
  });

  it('is unsubscribed from when its time is over, and then does not count as going on', async () => {
    const { clock, runner, logger } = createKit();
    const stopped = jest.fn((): void => {
      throw new Error('a teardown that throws');
    });
    const handle = runner.addTask({ timeout: '1s' }, () => new Observable(() => stopped));
    await clock.advance(1000);
    expect(handle.status).toBe('failed');
    expect(stopped).toHaveBeenCalledTimes(1);
    expect(logger.of('warn')).toEqual([]);
  });

  it.each([
    ['returned', (late: Promise<unknown>) => late],
    ['in an array', (late: Promise<unknown>) => [late]],
  ])('is not subscribed to once it is too late, %s', async (_, give) => {
    const { clock, runner } = createKit();
    const subscribed = jest.fn<() => void>();
    runner.addTask({ timeout: '1s' }, () =>
      give(clock.sleep(2000).then(() => new Observable(subscribed))),
    );
    await clock.advance(1e6);
    expect(subscribed).not.toHaveBeenCalled();
  });

  it('is unsubscribed from when it is cancelled, from within its first step, too', async () => {
    const { clock, runner } = createKit();
    const stopped = jest.fn<() => void>();
    const running = runner.addTask(() => new Observable(() => stopped));
    const itself = runner.addTask(
      () =>
        new Observable(() => {
          void runner.cancel(itself.id);
          return stopped;
        }),
    );
    await clock.settle();
    await running.cancel();
    expect(stopped).toHaveBeenCalledTimes(2);
    expect([running.status, itself.status]).toEqual(['cancelled', 'cancelled']);
  });
});

describe('R10, P11: a body that returned what it has begun in', () => {
  const CONTAINERS: [string, (work: unknown) => unknown][] = [
    ['an array', (work) => ['none', work, undefined]],
    ['a plain object', (work) => ({ sms: 1, mail: work })],
    ['one without a prototype', (work) => Object.assign(Object.create(null), { work })],
    ['a Set', (work) => new Set([1, work])],
    ['a Map', (work) => new Map([['mail', work]])],
    ['arrays in arrays', (work) => [[], [[[work]]]]],
    ['objects in promises', (work) => [Promise.resolve({ later: Promise.resolve([work]) })]],
    [
      'a long array',
      (work) => [...Array.from({ length: 20_000 }, () => ({})), Promise.resolve(work)],
    ],
    [
      'a container of itself',
      (work) => {
        const box: unknown[] = [];
        box.push(box, Promise.resolve(box), { box }, work);
        return box;
      },
    ],
  ];

  it.each(CONTAINERS)('%s is done when all of that is', async (_, put) => {
    for (const give of [put, async (work: unknown) => put(work)]) {
      const { clock, runner } = createKit();
      const sent = jest.fn<() => void>();
      const post = defer(() => clock.sleep(100).then(sent));
      const mail = runner.addTask(() => give(clock.sleep(100)));
      const request = runner.addTask(() => give(post));
      await clock.advance(99);
      expect([mail.status, request.status]).toEqual(['running', 'running']);
      await clock.advance(1);
      expect([mail.status, request.status]).toEqual(['completed', 'completed']);
      expect(sent).toHaveBeenCalledTimes(1);
    }
  });

  it.each(CONTAINERS)(
    '%s fails where that does, and no rejection ends the process',
    async (_, put) => {
      const { outcome } = await outcomeOf(() =>
        [1, 2].map((id) => put(Promise.reject(new Error(`not sent: ${id}`)))),
      );
      expect(outcome).toMatchObject({
        status: 'failed',
        error: expect.objectContaining({ message: expect.stringMatching(/^not sent/) }),
      });
    },
  );

  it('is unsubscribed from when it is cancelled', async () => {
    const { clock, runner } = createKit();
    const stopped = jest.fn<() => void>();
    const handle = runner.addTask(() => [1, 2].map(() => new Observable(() => stopped)));
    await clock.settle();
    await handle.cancel();
    expect(stopped).toHaveBeenCalledTimes(2);
  });

  it('is found without a call of what the object has', async () => {
    const called = jest.fn(() => Promise.reject(new Error('asked for')));
    const user = {
      get mail() {
        return called();
      },
      undo: async () => called(),
      rows: [1, 2].values(),
    };
    const { outcome } = await outcomeOf(() => new Map([['user', user]]));
    expect(outcome).toMatchObject({ status: 'completed' });
    expect(called).not.toHaveBeenCalled();
  });
});

describe('R10: a body that returned what nobody reads or calls', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['a generator', steps, /generator/],
    ['an async generator', asyncSteps, /generator/],
    ['a generator in a promise', async () => steps(), /generator/],
    ['an iterator', () => [1].values(), /iterator/],
    ['a generator function', () => steps, /returned an async function/],
    ['an async function', () => async () => undefined, /returned an async function/],
  ])('fails at once with an error that says so: %s', async (_, body, message) => {
    const { clock, runner, logger } = createKit();
    const handle = runner.addTask({ retry: { attempts: 5 } }, body);
    await clock.advance(1e6);
    expect(await handle.whenSettled()).toMatchObject({
      status: 'failed',
      attempts: 1,
      error: { code: 'BGT_UNRECOVERABLE', message: expect.stringMatching(message) },
    });
    expect(logger.of('error')).toHaveLength(1);
  });
});
