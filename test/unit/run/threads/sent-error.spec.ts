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
    expect(Object.entries(arrived)).toEqual([
      ['code', 'E_NO'],
      ['detail', { at: 1 }],
    ]);
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

  it('arrives where its causes go round in a circle', () => {
    const error = new Error('round');
    error.cause = error;
    expect(sent(error)).toMatchObject({ message: 'round' });
  });

  it('is what the retry policy knows', () => {
    const unrecoverable = sent(new UnrecoverableError('gone', { cause: new Error('why') }));
    expect(unrecoverable).toBeInstanceOf(UnrecoverableError);
    expect(unrecoverable).toMatchObject({ message: 'gone', cause: { message: 'why' } });
    const later = sent(new RetryLaterError('90s'));
    expect(later).toBeInstanceOf(RetryLaterError);
    expect(later).toMatchObject({ delayMs: 90_000 });
  });

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
    expect(sent(foreign)).toMatchObject({ name: 'Foreign', message: 'far' });
  });

  it('tells what can be sent at all', () => {
    expect([isSendable({ a: [1] }), isSendable(() => 1)]).toEqual([true, false]);
  });
});
