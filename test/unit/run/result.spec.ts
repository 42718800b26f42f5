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
  it('is the return value of a plain function: in outcome, list and event', async () => {
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

  it('is copied when it is handed over', async () => {
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

  it('does not fail the body if it throws when it is read', async () => {
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
    ['too many bytes', () => 'é'.repeat(40_000), /takes 80002 bytes, and 65536 are allowed/],
    ['too long a text', () => 'x'.repeat(2 ** 28), /result is too long/],
    ['too long texts', () => ['x'.repeat(60_000), 'x'.repeat(6_000)], /result\[1\] is too long/],
    ['too long keys', () => ({ ['x'.repeat(70_000)]: 1 }), /result has too long keys/],
    ['too many values', () => Array.from({ length: 1e6 }, () => 0), /one value too many/],
  ])(
    'cannot be %s: result() fails the attempt, a return value is not kept',
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

  it('fails if the Observable does, and is retried with a new subscription', async () => {
    const { clock, runner } = createKit();
    let tries = 0;
    const post = defer(() => (++tries < 3 ? throwError(() => new Error('no route')) : of('sent')));
    const handle = runner.addTask({ retry: { attempts: 3 } }, () => post);
    await clock.advance(1e6);
    expect(await handle.whenSettled()).toMatchObject({ status: 'completed', attempts: 3 });
    expect(tries).toBe(3);
  });

  it('is unsubscribed from at its timeout, and does not count as going on', async () => {
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

  it('is unsubscribed from, and over, with waitForEnd, too', async () => {
    const { clock, runner } = createKit();
    const stopped = jest.fn<() => void>();
    const stream = (): unknown => new Observable(() => stopped);
    const slow = runner.addTask({ timeout: '1s', waitForEnd: true }, stream);
    const late = runner.addTask({ timeout: '1s', waitForEnd: true }, async () => {
      await clock.sleep(2000);
      return stream();
    });
    await clock.advance(1000);
    expect([slow.status, late.status]).toEqual(['failed', 'running']);
    await clock.advance(1000);
    expect(late.status).toBe('failed');
    expect(stopped).toHaveBeenCalledTimes(2);
  });

  it('is unsubscribed from when its task is cancelled, also by itself', async () => {
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

describe('R10: a body that returned an array of promises', () => {
  it.each([
    ['at once', (list: unknown[]) => list],
    ['in a promise', async (list: unknown[]) => list],
  ])('is done when all of them are, returned %s', async (_, give) => {
    const { clock, runner } = createKit();
    const handle = runner.addTask(() => give(['none', clock.sleep(100), undefined]));
    await clock.advance(99);
    expect(handle.status).toBe('running');
    await clock.advance(1);
    expect(handle.status).toBe('completed');
  });

  it('fails if one does, and leaves no unhandled rejection', async () => {
    const { outcome } = await outcomeOf(() =>
      [1, 2].map((id) => Promise.reject(new Error(`not sent: ${id}`))),
    );
    expect(outcome).toMatchObject({
      status: 'failed',
      error: expect.objectContaining({ message: 'not sent: 1' }),
    });
  });
});

describe('R10: a body that returned an array of Observables', () => {
  it('is done when all of them have completed, and the promises beside them', async () => {
    const { clock, runner } = createKit();
    const after = (delayMs: number): Observable<string> =>
      new Observable((subscriber) => void clock.sleep(delayMs).then(() => subscriber.complete()));
    const handle = runner.addTask(() => [after(100), clock.sleep(200), after(300), 'none']);
    await clock.advance(299);
    expect(handle.status).toBe('running');
    await clock.advance(1);
    expect(handle.status).toBe('completed');
  });

  it('fails if one does, and the others are unsubscribed from', async () => {
    const stopped = jest.fn<() => void>();
    const { outcome } = await outcomeOf(() => [
      new Observable(() => stopped),
      throwError(() => new Error('not sent')),
    ]);
    expect(outcome).toMatchObject({ status: 'failed', error: { message: 'not sent' } });
    expect(stopped).toHaveBeenCalledTimes(1);
  });

  it('lets go of all of them at its timeout', async () => {
    const { clock, runner } = createKit();
    const stopped = jest.fn<() => void>();
    const streams = [1, 2].map(() => new Observable(() => stopped));
    const handle = runner.addTask({ timeout: '1s' }, async () => streams);
    await clock.advance(1000);
    expect(handle.status).toBe('failed');
    expect(stopped).toHaveBeenCalledTimes(2);
  });
});

describe('R10: promises that a body returned', () => {
  it('that reject in an array after the timeout end no process', async () => {
    const { clock, runner } = createKit();
    const unhandled = jest.fn<() => void>();
    process.on('unhandledRejection', unhandled);
    runner.addTask({ timeout: '1s' }, async () => {
      await clock.sleep(2000);
      return [Promise.reject(new Error('not sent'))];
    });
    await clock.advance(2000);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('in another object are left alone', async () => {
    const state = new Map([['slow', new Promise(() => undefined)]]);
    for (const body of [() => state.set('one', Promise.resolve()), () => ({ state })]) {
      expect((await outcomeOf(body)).outcome).toMatchObject({ status: 'completed' });
    }
  });
});

describe('R10: a body that returned a generator or a function', () => {
  it.each<[string, () => unknown, RegExp]>([
    ['a generator', steps, /generator/],
    ['an async generator', asyncSteps, /generator/],
    ['a generator in a promise', async () => steps(), /generator/],
    ['an iterator', () => [1].values(), /iterator/],
    ['a generator function', () => steps, /returned an async function/],
    ['an async function', () => async () => undefined, /returned an async function/],
  ])('fails at once with an error that names it: %s', async (_, body, message) => {
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
