import { beforeEach, describe, expect, it } from '@jest/globals';
import { LinkedList, type Linked } from '../../../lib/task/linked-list.js';

class Item implements Linked<Item> {
  before: Item | undefined = undefined;
  behind: Item | undefined = undefined;
  constructor(readonly name: string) {}
}

describe('a linked list', () => {
  let list: LinkedList<Item>;
  let items: readonly [Item, Item, Item];

  beforeEach(() => {
    list = new LinkedList();
    items = [new Item('a'), new Item('b'), new Item('c')];
    items.forEach((item) => list.add(item));
  });

  const names = (): string[] => Array.from(list, ({ name }) => name);

  it('has nothing in it when it is made', () => {
    const empty = new LinkedList<Item>();
    expect([empty.first, ...empty]).toEqual([undefined]);
  });

  it('keeps the order of arrival', () => {
    expect(names()).toEqual(['a', 'b', 'c']);
    expect(list.first).toBe(items[0]);
  });

  it.each([
    ['first', 0, ['b', 'c']],
    ['one between', 1, ['a', 'c']],
    ['last', 2, ['a', 'b']],
  ] as const)('lets the %s leave, once', (_which, index, left) => {
    expect(list.delete(items[index])).toBe(true);
    expect(names()).toEqual(left);
    expect(list.first?.name).toBe(left[0]);
    expect(list.delete(items[index])).toBe(false);
    expect(names()).toEqual(left);
  });

  it.each([0, 1, 2] as const)('takes the one that left at %i again, behind the others', (index) => {
    const [left] = [items[index]];
    list.delete(left);
    list.add(left);
    expect(names()).toEqual([...items.filter((item) => item !== left), left].map(nameOf));
  });

  it('is empty when all have left, and takes others then', () => {
    expect(items.map((item) => list.delete(item))).toEqual([true, true, true]);
    expect(list.first).toBeUndefined();
    expect(names()).toEqual([]);
    list.add(items[1]);
    expect(names()).toEqual(['b']);
    expect(list.delete(items[0])).toBe(false);
  });

  it('does not keep those that have left: they lead to no others', () => {
    list.delete(items[1]);
    expect([items[1].before, items[1].behind]).toEqual([undefined, undefined]);
  });

  it('goes on to the others where each leaves as its turn comes', () => {
    const seen: string[] = [];
    for (const item of list) {
      seen.push(item.name);
      list.delete(item);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(list.first).toBeUndefined();
  });
});

const nameOf = ({ name }: Item): string => name;
