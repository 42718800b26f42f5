import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ErrorLog, isAnswer, isUnsent } from '../../../lib/engine/bullmq/store/connections.js';
import { LogBook } from '../../support/log-book.js';

describe('the trouble of a store', () => {
  let logger: LogBook;
  let log: ErrorLog;

  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate'] });
    logger = new LogBook();
    log = new ErrorLog('Redis at h:1', logger);
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('is logged once, and again after ten seconds', () => {
    const refused = new Error('connection refused');
    for (const [afterMs, lines] of [
      [0, 1],
      [9_999, 1],
      [1, 2],
      [5_000, 2],
    ] as const) {
      jest.advanceTimersByTime(afterMs);
      log.report(refused);
      expect(logger.of('error')).toHaveLength(lines);
    }
    expect(logger.of('error')[0]).toContain('Redis at h:1: connection refused');
  });

  it('is logged at once if it is another, with all causes', () => {
    log.report(new Error('connection refused'));
    log.report('timed out');
    log.report(new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')]));
    log.report(new AggregateError([new Error('one')], 'all of them'));
    expect(logger.of('error')).toHaveLength(4);
    expect(logger.of('error').join()).toMatch(
      /connection refused.*timed out.*::1 refused; 127\.0\.0\.1 refused.*all of them/s,
    );
  });

  it('is over when a connection is back, which is logged once', () => {
    log.recovered();
    log.report(new Error('connection refused'));
    log.recovered();
    log.recovered();
    expect(logger.of('log')).toEqual([expect.stringContaining('Redis at h:1: connected')]);
    log.report(new Error('connection refused'));
    expect(logger.of('error')).toHaveLength(2);
  });
});

describe('an error of a command', () => {
  it.each<[unknown, boolean, boolean]>([
    [undefined, false, false],
    [null, false, false],
    [new Error('Connection is closed.'), false, false],
    [{ code: -1 }, true, false],
    [{ code: 'ECONNREFUSED', syscall: 'connect' }, false, true],
    [{ code: 'ECONNRESET', syscall: 'read' }, false, false],
    [{ code: '57P03' }, false, true],
  ])('shows whether the store answered, and if it was sent: %j', (error, has, unsent) => {
    expect([isAnswer(error), isUnsent(error)]).toStrictEqual([has, unsent]);
  });
});
