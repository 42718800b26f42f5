import { describe, expect, it } from '@jest/globals';
import { bytesOf } from '../../../lib/observe/bytes-of.js';

const MANY = 300_000;
const numbers = Array.from({ length: MANY }, (_, index) => index);

describe('about how many bytes a value takes', () => {
  it.each<[string, unknown]>([
    ['an array', numbers],
    ['an object', Object.fromEntries(numbers.map((each) => [`key${each}`, each]))],
    ['a map', new Map(numbers.map((each) => [each, each]))],
    ['a set', new Set(numbers)],
  ])('P11: is told of %s with more entries than fit on the stack', (_, value) => {
    expect(bytesOf([value])).toBeGreaterThan(1_000_000);
  });

  it('ends in a circle, and at what lets nobody look', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(bytesOf([circle, proxy])).toBeGreaterThan(0);
  });
});
