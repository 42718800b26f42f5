import { beforeEach, describe, expect, it } from '@jest/globals';
import { IdMap } from '../../../lib/task/id-map.js';

describe('what has an id', () => {
  let map: IdMap<string>;

  beforeEach(() => {
    map = new IdMap();
    map.set('a', 'first');
    map.set('b', 'second');
  });

  it('is found by it', () => {
    expect([map.get('a'), map.has('a')]).toEqual(['first', true]);
    expect([map.get('c'), map.has('c')]).toEqual([undefined, false]);
  });

  it('is counted once, also where another takes its place', () => {
    map.set('a', 'third');
    expect([map.size, map.get('a')]).toEqual([2, 'third']);
  });

  it('is given with all the others', () => {
    expect(map.values().toSorted()).toEqual(['first', 'second']);
  });

  it('is removed once', () => {
    expect([map.delete('a'), map.delete('a'), map.delete('c')]).toEqual([true, false, false]);
    expect([map.size, map.has('a'), map.get('a')]).toEqual([1, false, undefined]);
    expect(map.values()).toEqual(['second']);
  });

  it('comes back after it was removed', () => {
    map.delete('a');
    map.set('a', 'again');
    expect([map.size, map.get('a')]).toEqual([2, 'again']);
  });

  it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])(
    'may be called as what every object has: %s',
    (id) => {
      expect([map.has(id), map.get(id), map.delete(id)]).toEqual([false, undefined, false]);
      map.set(id, 'third');
      expect([map.size, map.get(id)]).toEqual([3, 'third']);
      expect(map.values()).toContain('third');
      expect([map.delete(id), map.size, map.has(id)]).toEqual([true, 2, false]);
    },
  );
});
