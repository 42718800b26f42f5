import { describe, expect, it } from '@jest/globals';
import { of, Subject, throwError, type Observable } from 'rxjs';
import { Collection, type CollectionKeeper } from '../../../lib/intake/collection.js';
import { followCall, followStream } from '../../../lib/request/follow-handler.js';
import type { MethodIntake } from '../../../lib/task/ambient.js';
import { Deferred } from '../support/deferred.js';

const NO = new Error('no');
const UNSTORED = new Error('the store is down');

/** A request, and what its keeper is told, in order. `stored` is what the end waits for. */
function request(stored?: Promise<void>, response?: object) {
  const log: string[] = [];
  const keeper: CollectionKeeper = {
    watch: () => undefined,
    isOver: () => false,
    begin: () => void log.push('begin'),
    end: (_, hasSucceeded) => {
      log.push(hasSucceeded ? 'succeeded' : 'failed');
      return stored;
    },
    offer: () => {
      log.push('offered');
      return () => void log.push('taken');
    },
    leave: () => void log.push('left'),
    refused: (_, error) => void log.push(`refused: ${(error as Error).message}`),
  };
  const intake = {} as MethodIntake;
  return { log, collection: new Collection(intake, keeper, response, undefined) };
}

/** Writes down what comes out of a stream. */
function listen(stream: unknown, log: string[]) {
  return (stream as Observable<unknown>).subscribe({
    next: (value) => log.push(`next ${String(value)}`),
    error: (error: Error) => log.push(`error ${error.message}`),
    complete: () => log.push('complete'),
  });
}

const throwing = (): never => {
  throw NO;
};

describe('the call of a handler', () => {
  it.each([[undefined], [null], ['text'], [7], [{ than: 1 }], [() => undefined]])(
    'gives %p at once where nothing has to be stored',
    (value) => {
      const { collection, log } = request();
      const given = followCall(collection, () => {
        log.push('handler');
        return value;
      });
      expect(given).toBe(value);
      expect(log).toEqual(['begin', 'handler', 'succeeded']);
    },
  );

  it('throws at once what the handler throws', () => {
    const { collection, log } = request();
    expect(() => followCall(collection, throwing)).toThrow(NO);
    expect(log).toEqual(['begin', 'refused: no', 'failed']);
  });

  it('ends with the promise of the handler', async () => {
    const { collection, log } = request();
    const handler = new Deferred();
    const given = followCall(collection, () => handler.promise.then(() => 'value'));
    expect(log).toEqual(['begin']);
    handler.resolve();
    expect(await given).toBe('value');
    expect(log).toEqual(['begin', 'succeeded']);
  });

  it('fails with the promise of the handler', async () => {
    const { collection, log } = request();
    await expect(followCall(collection, () => Promise.reject(NO))).rejects.toBe(NO);
    expect(log).toEqual(['begin', 'refused: no', 'failed']);
  });

  it('P17: gives the value only when the tasks are stored', async () => {
    const store = new Deferred();
    const { collection, log } = request(store.promise);
    const given = followCall(collection, () => 'value') as Promise<unknown>;
    void given.then(() => log.push('given'));
    await Promise.resolve();
    expect(log).toEqual(['begin', 'succeeded']);
    store.resolve();
    expect(await given).toBe('value');
  });

  it('P17: fails where the tasks of a handler that completed cannot be stored', async () => {
    const { collection, log } = request(Promise.reject(UNSTORED));
    await expect(followCall(collection, () => 'value')).rejects.toBe(UNSTORED);
    expect(log).toEqual(['begin', 'succeeded', 'refused: the store is down']);
  });

  it('throws what the handler threw when its tasks are stored, and also where they are not', async () => {
    for (const stored of [Promise.resolve(), Promise.reject(UNSTORED)]) {
      const { collection, log } = request(stored);
      await expect(followCall(collection, throwing)).rejects.toBe(NO);
      expect(log).toEqual(['begin', 'refused: no', 'failed']);
    }
  });

  it('is over with the stream that the handler returns', () => {
    const { collection, log } = request();
    const source = new Subject<string>();
    listen(
      followCall(collection, () => source),
      log,
    );
    source.next('a');
    expect(log).toEqual(['begin', 'offered', 'taken', 'next a']);
    source.complete();
    expect(log).toEqual(['begin', 'offered', 'taken', 'next a', 'succeeded', 'complete']);
  });
});

describe('the stream of a handler', () => {
  it('passes on what comes, and ends once the tasks are decided', () => {
    const { collection, log } = request();
    listen(followStream(collection, of(1, 2)), log);
    expect(log).toEqual(['next 1', 'next 2', 'succeeded', 'complete']);
  });

  it('passes on its error once the tasks are decided', () => {
    const { collection, log } = request();
    listen(
      followStream(
        collection,
        throwError(() => NO),
      ),
      log,
    );
    expect(log).toEqual(['refused: no', 'failed', 'error no']);
  });

  it('P17: ends when the tasks are stored, and not before', async () => {
    const store = new Deferred();
    const { collection, log } = request(store.promise);
    listen(followStream(collection, of(1)), log);
    await Promise.resolve();
    expect(log).toEqual(['next 1', 'succeeded']);
    store.resolve();
    await store.promise;
    await Promise.resolve();
    expect(log).toContain('complete');
  });

  it('P17: fails where the tasks cannot be stored', async () => {
    const { collection, log } = request(Promise.reject(UNSTORED));
    await new Promise((resolve) => {
      followStream(collection, of(1)).subscribe({ error: resolve });
    });
    expect(log).toEqual(['succeeded', 'refused: the store is down']);
  });

  it('keeps its own error where the tasks of a failure cannot be stored', async () => {
    const { collection } = request(Promise.reject(UNSTORED));
    const failing = throwError(() => NO);
    const error = await new Promise((resolve) => {
      followStream(collection, failing).subscribe({ error: resolve });
    });
    expect(error).toBe(NO);
  });

  it('is left by whoever does not wait for its end, and its source with it', () => {
    const { collection, log } = request();
    const source = new Subject<string>();
    const subscription = listen(followStream(collection, source), log);
    expect(source.observed).toBe(true);
    subscription.unsubscribe();
    expect(source.observed).toBe(false);
    expect(log).toEqual(['left']);
  });

  it('is not left by whoever unsubscribes after its end', () => {
    const { collection, log } = request();
    const source = new Subject<string>();
    const subscription = listen(followStream(collection, source), log);
    source.complete();
    subscription.unsubscribe();
    expect(log).toEqual(['succeeded', 'complete']);
  });

  it('is not left while the tasks of its end are being stored', async () => {
    const { collection, log } = request(new Promise(() => undefined));
    const subscription = listen(followStream(collection, of(1)), log);
    subscription.unsubscribe();
    expect(log).toEqual(['next 1', 'succeeded']);
  });
});

async function* body(): AsyncGenerator<string, string> {
  yield 'a';
  yield 'b';
  return 'result';
}

async function* broken(): AsyncGenerator<string> {
  yield 'a';
  throw NO;
}

/** Called as an HTTP handler, or inside an interceptor. */
function follow(generator: AsyncGenerator, isIntercepted: boolean, stored?: Promise<void>) {
  const { collection, log } = request(stored, {});
  let given: unknown;
  if (isIntercepted) {
    followStream(collection, of(generator)).subscribe((value) => {
      given = value;
    });
  } else {
    given = followCall(collection, () => generator);
    log.shift();
  }
  return { log, given: given as AsyncGenerator };
}

describe('the generator of a handler', () => {
  describe.each([false, true])('(intercepted: %p)', (isIntercepted) => {
    it('gives what it yields and returns, and is over then', async () => {
      const { given, log } = follow(body(), isIntercepted);
      expect(log).toEqual(['offered']);
      expect(await given.next()).toEqual({ done: false, value: 'a' });
      expect(await given.next()).toEqual({ done: false, value: 'b' });
      expect(log).toEqual(['offered', 'taken']);
      expect(await given.next()).toEqual({ done: true, value: 'result' });
      expect(log).toEqual(['offered', 'taken', 'succeeded']);
    });

    it('fails with what it throws', async () => {
      const { given, log } = follow(broken(), isIntercepted);
      await given.next();
      await expect(given.next()).rejects.toBe(NO);
      expect(log).toEqual(['offered', 'taken', 'refused: no', 'failed']);
    });

    it('is left by whoever does not wait for its end', async () => {
      const { given, log } = follow(body(), isIntercepted);
      await given.next();
      await given.return(undefined);
      expect(log).toEqual(['offered', 'taken', 'left']);
    });

    it('P17: ends when the tasks are stored, and not before', async () => {
      const stored = new Deferred();
      const { given, log } = follow(body(), isIntercepted, stored.promise);
      await given.next();
      await given.next();
      const end = given.next().then(() => log.push('end'));
      await new Promise(setImmediate);
      expect(log).toEqual(['offered', 'taken', 'succeeded']);
      stored.resolve();
      await end;
      expect(log).toEqual(['offered', 'taken', 'succeeded', 'end']);
    });

    it('P17: fails where the tasks cannot be stored', async () => {
      const { given, log } = follow(body(), isIntercepted, Promise.reject(UNSTORED));
      await given.next();
      await given.next();
      await expect(given.next()).rejects.toBe(UNSTORED);
      expect(log).toEqual(['offered', 'taken', 'succeeded', 'refused: the store is down']);
    });
  });

  it('is a value like any other where there is no response that it could be the body of', () => {
    const { collection, log } = request();
    const generator = body();
    expect(followCall(collection, () => generator)).toBe(generator);
    expect(log).toEqual(['begin', 'succeeded']);
  });
});
