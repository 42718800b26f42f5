import { describe, expect, it, jest } from '@jest/globals';
import {
  type Observable,
  Subject,
  filter,
  map,
  mergeMap,
  of,
  scan,
  share,
  switchMap,
  take,
  tap,
} from 'rxjs';
import type { TaskEvent } from '../../../lib/index.js';
import { IsolatedObservable } from '../../../lib/observe/isolated-observable.js';
import { TaskEvents } from '../../../lib/observe/task-events.js';
import { FakeClock } from '../support/fake-clock.js';
import { createKit } from '../support/kit.js';
import { NOBODY, bareTask } from '../support/tasks.js';

describe('the events of a task', () => {
  it('carry the error of an attempt as it was thrown', async () => {
    const { clock, runner, record } = createKit({ retry: { attempts: 2 } });
    const events = record();
    const errors = [new Error('one'), new Error('two')];
    const left = [...errors];
    runner.addTask(() => {
      throw left.shift() as Error;
    });
    await clock.advance(1e6);
    const thrown = events.flatMap((event) => ('error' in event ? [event.error] : []));
    expect(thrown).toHaveLength(2);
    expect(thrown.every((error, index) => error === errors[index])).toBe(true);
  });

  it('say why a task was dropped', async () => {
    const { handle, record } = createKit();
    const events = record();
    const failing = handle((tasks) => {
      tasks.addTask({ name: 'on success' }, () => undefined);
      throw new Error('refused');
    });
    await expect(failing).rejects.toThrow('refused');
    await handle((tasks) =>
      tasks.addTask({ name: 'on failure', when: 'failure' }, () => undefined),
    );
    expect(events.filter(({ type }) => type === 'dropped')).toMatchObject([
      { name: 'on success', reason: 'handler-failed' },
      { name: 'on failure', reason: 'handler-completed' },
    ]);
  });
});

describe('P11: a listener of events that throws', () => {
  it.each<[string, (event: TaskEvent) => unknown]>([
    [
      'at once',
      () => {
        throw new Error('broken listener');
      },
    ],
    ['as a promise', () => Promise.reject(new Error('broken listener'))],
  ])('%s reaches neither tasks nor other listeners, and is logged', async (_, listener) => {
    const { clock, runner, logger, record } = createKit({ retry: { attempts: 2 } });
    runner.events.subscribe(listener);
    const events = record();
    const good = runner.addTask(() => undefined);
    const bad = runner.addTask(() => Promise.reject(new Error('no')));
    await clock.advance(1e6);
    expect([good.status, bad.status]).toEqual(['completed', 'failed']);
    const types = ['added', 'queued', 'added', 'queued', 'started', 'completed', 'started'];
    expect(events.map(({ type }) => type).toSorted()).toEqual(
      [...types, 'retrying', 'started', 'failed'].toSorted(),
    );
    const complaints = logger.of('error').filter((line) => line.includes('listener'));
    expect(complaints).toHaveLength(events.length);
    expect(complaints[0]).toMatch(
      /^A listener of TaskRunner.events threw: Error: broken listener\nError: broken listener\n/,
    );
  });
});

describe('events that nobody listens to', () => {
  it('are not put together: not even an id is made', () => {
    const clock = new FakeClock();
    const now = jest.spyOn(clock, 'now');
    const mintId = jest.fn(() => 'an id');
    const events = new TaskEvents(clock, () => undefined);
    const task = bareTask('quiet', { ...NOBODY, mintId });

    events.emit('started', task, { waitedMs: 0 });
    const subscription = events.stream.subscribe();
    subscription.unsubscribe();
    events.emit('completed', task, { durationMs: 1, process: undefined });
    expect(now).not.toHaveBeenCalled();
    expect(mintId).not.toHaveBeenCalled();

    events.stream.subscribe();
    events.emit('completed', task, { durationMs: 1, process: undefined });
    expect(now).toHaveBeenCalled();
    expect(mintId).toHaveBeenCalledTimes(1);
  });
});

const ERROR = new Error('broken listener');
const fail = (): never => {
  throw ERROR;
};

function observer(seen: (number | string)[]) {
  return {
    next: (value: number) => void seen.push(value),
    complete: () => void seen.push('end'),
  };
}

/**
 * An observable between two listeners that do as they should. What a listener throws and nobody
 * catches would end the test as an uncaught exception: rxjs throws it from a timer.
 */
function createStream() {
  const subject = new Subject<number>();
  const caught: unknown[] = [];
  const stream: Observable<number> = new IsolatedObservable<number>(subject, (error) => {
    caught.push(error);
  });
  return {
    subject,
    caught,
    stream,
    /** What the neighbours of a listener see of three values, and the end. */
    neighboursOf: async (listen: (observable: Observable<number>) => void) => {
      const before: (number | string)[] = [];
      const after: (number | string)[] = [];
      stream.subscribe(observer(before));
      listen(stream);
      stream.subscribe(observer(after));
      [1, 2, 3].forEach((value) => subject.next(value));
      subject.complete();
      // rxjs would throw from a timer of no delay: this one comes after all of those.
      await new Promise((resolve) => {
        setTimeout(resolve, 0);
      });
      return { before, after };
    },
  };
}

const ALL = { before: [1, 2, 3, 'end'], after: [1, 2, 3, 'end'] };

describe('P11: a listener that throws', () => {
  const listeners: [string, (stream: Observable<number>) => void, errors: number][] = [
    ['as a function', (stream) => stream.subscribe(fail), 3],
    ['in next', (stream) => stream.subscribe({ next: fail }), 3],
    ['in complete', (stream) => stream.subscribe({ complete: fail }), 1],
    ['in next and complete', (stream) => stream.subscribe({ next: fail, complete: fail }), 4],
    ['in an async function', (stream) => stream.subscribe(async () => fail()), 3],
    [
      'in an async function, later',
      (stream) =>
        stream.subscribe(async () => {
          await Promise.resolve();
          fail();
        }),
      3,
    ],
    ['in an async complete', (stream) => stream.subscribe({ complete: async () => fail() }), 1],
    ['behind map', (stream) => stream.pipe(map((value) => value + 1)).subscribe(fail), 3],
    ['behind filter', (stream) => stream.pipe(filter((value) => value > 1)).subscribe(fail), 2],
    [
      'behind several operators',
      (stream) =>
        stream
          .pipe(
            tap(() => undefined),
            map((value) => value * 2),
            filter((value) => value > 2),
            scan((sum, value) => sum + value, 0),
          )
          .subscribe({ next: fail }),
      2,
    ],
    [
      'asynchronously behind an operator',
      (stream) => stream.pipe(map(String)).subscribe(async () => fail()),
      3,
    ],
    ['behind share', (stream) => stream.pipe(share()).subscribe(fail), 3],
    [
      'behind mergeMap',
      (stream) => stream.pipe(mergeMap((value) => of(value, value))).subscribe(fail),
      6,
    ],
    [
      'behind switchMap',
      (stream) => stream.pipe(switchMap((value) => of(value))).subscribe(fail),
      3,
    ],
    ['behind take', (stream) => stream.pipe(take(1)).subscribe(fail), 1],
  ];

  it.each(listeners)(
    '%s hurts no other, and what it throws is heard of',
    async (_, listen, count) => {
      const { neighboursOf, caught } = createStream();
      expect(await neighboursOf(listen)).toEqual(ALL);
      expect(caught).toEqual(Array.from({ length: count }, () => ERROR));
    },
  );

  it('stays subscribed', async () => {
    const { neighboursOf } = createStream();
    const listener = jest.fn(fail);
    await neighboursOf((stream) => void stream.subscribe(listener));
    expect(listener.mock.calls).toEqual([[1], [2], [3]]);
  });

  it.each<[string, (stream: Observable<number>) => Observable<unknown>]>([
    ['map', (stream) => stream.pipe(map(fail))],
    ['filter', (stream) => stream.pipe(filter(fail))],
    ['tap', (stream) => stream.pipe(tap(fail))],
    [
      'an operator before others',
      (stream) =>
        stream.pipe(
          map(fail),
          filter(() => true),
        ),
    ],
  ])('in %s ends its own subscription only, as rxjs has it', async (_, derive) => {
    const { neighboursOf, caught } = createStream();
    const next = jest.fn();
    expect(await neighboursOf((stream) => void derive(stream).subscribe(next))).toEqual(ALL);
    expect(next).not.toHaveBeenCalled();
    expect(caught).toEqual([ERROR]);
  });

  it('in its own error callback is heard of', async () => {
    const { neighboursOf, caught } = createStream();
    const second = new Error('second');
    const listen = (stream: Observable<number>) =>
      void stream.pipe(map(fail)).subscribe({
        error: () => {
          throw second;
        },
      });
    expect(await neighboursOf(listen)).toEqual(ALL);
    expect(caught).toEqual([second]);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'no'],
  ])('may throw %s', async (_, value) => {
    const { neighboursOf, caught } = createStream();
    const listen = (stream: Observable<number>) =>
      void stream.pipe(take(1)).subscribe(() => {
        throw value;
      });
    expect(await neighboursOf(listen)).toEqual(ALL);
    expect(caught).toEqual([value]);
  });
});

describe('a listener that does as it should', () => {
  it('may unsubscribe while it is called', () => {
    const { subject, stream } = createStream();
    const seen: number[] = [];
    const subscription = stream.subscribe((value) => {
      seen.push(value);
      subscription.unsubscribe();
    });
    subject.next(1);
    subject.next(2);
    expect(seen).toEqual([1]);
  });
});
