import { describe, expect, it } from '@jest/globals';
import { RetryLaterError, UnrecoverableError } from '../../../../lib/index.js';
import { isSendable, putTogether, takeApart } from '../../../../lib/run/threads/sent-error.js';

/** Through a thread's channel and back. */
const sent = (thrown: unknown): unknown => putTogether(structuredClone(takeApart(thrown)));

describe('what a thread throws', () => {
  it('arrives with name, message, stack and properties', () => {
    const error = Object.assign(new TypeError('no'), { code: 'E_NO', detail: { at: 1 } });
    const arrived = sent(error) as typeof error;
    expect(arrived).toBeInstanceOf(Error);
    expect(arrived.name).toBe('TypeError');
    expect(arrived.message).toBe('no');
    expect(arrived.stack).toBe(error.stack);
    expect(takeApart(error).kind).toBe('error');
    expect(Object.entries(arrived)).toEqual([
      ['code', 'E_NO'],
      ['detail', { at: 1 }],
    ]);
  });

  it('can be changed as any error can, and shows no more of itself than any', () => {
    const arrived = sent(new TypeError('no')) as Error;
    const as = { enumerable: false, configurable: true, writable: true };
    expect(Object.getOwnPropertyDescriptor(arrived, 'name')).toMatchObject(as);
    expect(Object.getOwnPropertyDescriptor(arrived, 'stack')).toMatchObject(as);
    expect('cause' in arrived).toBe(false);
  });

  it('arrives without the properties that cannot travel', () => {
    const error = Object.assign(new Error('no'), { fine: 1, callback: () => undefined });
    expect(Object.entries(sent(error) as Error)).toEqual([['fine', 1]]);
  });

  it('arrives with its causes, as far as anybody reads', () => {
    let error = new Error('0');
    for (let depth = 1; depth <= 12; depth += 1) {
      error = new Error(String(depth), { cause: error });
    }
    const messages: string[] = [];
    for (let each: unknown = sent(error); each instanceof Error; each = each.cause) {
      messages.push(each.message);
    }
    expect(messages).toEqual(['12', '11', '10', '9', '8', '7', '6', '5', '4']);
  });

  it('arrives with a cause that was set afterwards, and all that the cause had', () => {
    const error = new Error('no');
    error.cause = Object.assign(new TypeError('why'), { code: 'E_WHY' });
    const arrived = sent(error) as Error;
    expect(arrived.cause).toMatchObject({ name: 'TypeError', message: 'why', code: 'E_WHY' });
    expect(Object.keys(arrived)).toEqual([]);
  });

  it('arrives where its causes go round in a circle', () => {
    const error = new Error('round');
    error.cause = error;
    expect(sent(error)).toMatchObject({ message: 'round' });
  });

  it('is what the retry policy knows', () => {
    const gone = new UnrecoverableError('gone', { cause: new Error('why') });
    const unrecoverable = sent(gone);
    expect(unrecoverable).toBeInstanceOf(UnrecoverableError);
    expect(unrecoverable).toMatchObject({
      message: 'gone',
      cause: { message: 'why' },
      stack: gone.stack,
    });
    const busy = new RetryLaterError('90s');
    const later = sent(busy);
    expect(later).toBeInstanceOf(RetryLaterError);
    expect(later).toMatchObject({ delayMs: 90_000, stack: busy.stack });
  });

  it('O22: arrives with a property called __proto__, and is the error that it was', () => {
    const error = new TypeError('no');
    Object.defineProperty(error, '__proto__', { value: { polluted: true }, enumerable: true });
    const arrived = sent(error) as Error;
    expect(Object.getPrototypeOf(arrived)).toBe(Error.prototype);
    expect(Object.getOwnPropertyDescriptor(arrived, '__proto__')?.value).toEqual({
      polluted: true,
    });
    expect('polluted' in arrived).toBe(false);
  });

  it.each([9e15, Number.POSITIVE_INFINITY])(
    'O22: asks for %d ms, and for a wait with an end',
    (ms) => {
      const later = sent(
        Object.assign(new Error('later'), { code: 'BGT_RETRY_LATER', delayMs: ms }),
      );
      expect(later).toBeInstanceOf(RetryLaterError);
      expect(later).toMatchObject({ message: 'later', delayMs: 2_147_483_647 });
    },
  );

  it.each([Number.NaN, -1, '5s', undefined, null, {}])(
    'O22: asks for no wait with %p, and stays what it was',
    (delayMs) => {
      const error = Object.assign(new TypeError('no'), { code: 'BGT_RETRY_LATER', delayMs });
      expect(sent(error)).not.toBeInstanceOf(RetryLaterError);
      expect(sent(error)).toMatchObject({ name: 'TypeError', message: 'no', delayMs });
    },
  );

  it.each([['text'], [42], [undefined], [null], [{ a: 1 }]])('may be %p', (value) => {
    expect(sent(value)).toEqual(value);
  });

  it('is a text where it is no error and cannot travel', () => {
    expect(sent(() => undefined)).toMatch(/=>\s*undefined/);
    expect(sent(Symbol('no'))).toBe('Symbol(no)');
  });

  it('may be an error without a stack, or of another realm', () => {
    expect(sent(Object.assign(new Error('bare'), { stack: undefined }))).toMatchObject({
      message: 'bare',
      stack: undefined,
    });
    const foreign = Object.defineProperty({ name: 'Foreign', message: 'far' }, Symbol.toStringTag, {
      value: 'Error',
    });
    expect(sent(foreign)).toBeInstanceOf(Error);
    expect(sent(foreign)).toMatchObject({ name: 'Foreign', message: 'far' });
    expect(sent(Object.assign(new Error('odd'), { stack: () => 'a function' }))).toMatchObject({
      message: 'odd',
      stack: undefined,
    });
  });

  it('arrives without a property that cannot be looked at', () => {
    const error = Object.defineProperty(Object.assign(new Error('no'), { code: 'E' }), 'secret', {
      enumerable: true,
      get: () => {
        throw new Error('not for you');
      },
    });
    expect(takeApart(error)).toMatchObject({ message: 'no', properties: { code: 'E' } });
  });

  it('is a text where it cannot be looked at', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const shapeless: unknown = Object.assign(Object.create(null), { act: () => undefined });
    expect([takeApart(proxy), takeApart(shapeless)]).toEqual(
      Array.from({ length: 2 }, () => ({ kind: 'value', value: 'a value that cannot be shown' })),
    );
  });

  it('tells what can be sent at all', () => {
    expect([isSendable({ a: [1] }), isSendable(() => 1)]).toEqual([true, false]);
  });
});
