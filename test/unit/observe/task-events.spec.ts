import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { type Observable, Subject, filter, map, mergeMap, of, share, take } from 'rxjs';
import { IsolatedObservable } from '../../../lib/observe/isolated-observable.js';
import { createKit } from '../support/kit.js';

const ERROR = new Error('broken listener');
const fail = (): never => {
  throw ERROR;
};

it('P11: a listener of events that throws does not reach tasks or other listeners, and is logged', async () => {
  const { clock, runner, logger, record } = createKit({ retry: { attempts: 2 } });
  runner.events.subscribe(fail);
  runner.events.subscribe(async () => fail());
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
  expect(complaints).toHaveLength(2 * events.length);
  expect(complaints[0]).toMatch(
    /^A listener of TaskRunner.events threw: Error: broken listener\nError: broken listener\n/,
  );
});

function observer(seen: (number | string)[]) {
  return { next: (value: number) => void seen.push(value), complete: () => void seen.push('end') };
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
      await pause(0);
      return { before, after };
    },
  };
}

const ALL = { before: [1, 2, 3, 'end'], after: [1, 2, 3, 'end'] };

describe('P11: a listener that throws', () => {
  it.each<[string, (stream: Observable<number>) => void, errors: number]>([
    ['in next and complete', (stream) => stream.subscribe({ next: fail, complete: fail }), 4],
    ['in an async function', (stream) => stream.subscribe(async () => fail()), 3],
    ['in an async complete', (stream) => stream.subscribe({ complete: async () => fail() }), 1],
    [
      'behind operators',
      (stream) =>
        stream
          .pipe(
            map((value) => value * 2),
            filter((value) => value > 2),
          )
          .subscribe(fail),
      2,
    ],
    [
      'asynchronously behind an operator',
      (stream) => stream.pipe(map(String)).subscribe(async () => fail()),
      3,
    ],
    ['behind share', (stream) => stream.pipe(share()).subscribe(fail), 3],
    ['behind mergeMap', (stream) => stream.pipe(mergeMap((n) => of(n, n))).subscribe(fail), 6],
    ['behind take', (stream) => stream.pipe(take(1)).subscribe(fail), 1],
    ['in an operator', (stream) => stream.pipe(map(fail)).subscribe(), 1],
    [
      'in its error callback',
      (stream) => stream.pipe(map(() => JSON.parse('no'))).subscribe({ error: fail }),
      1,
    ],
  ])('%s hurts no other listener, and its error is reported', async (_, listen, n) => {
    const { neighboursOf, caught } = createStream();
    expect(await neighboursOf(listen)).toEqual(ALL);
    expect(caught).toEqual(Array.from({ length: n }, () => ERROR));
  });
});
