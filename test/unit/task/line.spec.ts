import { describe, expect, it } from '@jest/globals';
import {
  fallIn,
  following,
  headsOf,
  join,
  lineFrom,
  linesOf,
  turnOf,
  type LineRules,
} from '../../../lib/task/line.js';
import type { Chain, Task } from '../../../lib/task/task.js';
import type { TaskOptions } from '../../../lib/task/task-options.js';
import { bareTask } from '../support/tasks.js';

/** Engines are told apart by the first letter of their queues. */
const LINE: LineRules = {
  order: 'sequential',
  onFailure: 'continue',
  engineOf: (queue) => queue[0],
};
const CONCURRENT: LineRules = { ...LINE, order: 'concurrent' };
const STOP: LineRules = { ...LINE, onFailure: 'stop' };

/** A task for the queue of its name's first letter. */
function task(name: string, chain?: Chain, options: TaskOptions = {}): Task {
  const made = bareTask(name, undefined, { options });
  Object.defineProperty(made, 'queue', { value: name[0] });
  if (chain !== undefined) {
    join(chain, made);
  }
  return made;
}

const namesFrom = (head: Task): string => Array.from(lineFrom(head), ({ name }) => name).join(' ');
const lines = (tasks: readonly Task[], rules: LineRules): string[] =>
  linesOf(tasks, rules).map(namesFrom);

/** Three tasks, the second of which is delayed. */
const withDelayed = (chain?: Chain): Task[] => [
  task('a1'),
  task('a2', chain, { delay: 50 }),
  task('a3'),
];

const link = (name: string, of?: Chain, isOver = false) => ({ name, chain: of, isOver });

describe('P2: the tasks of a request', () => {
  it('stand in one line for each engine, in the order added', () => {
    const tasks = ['a1', 'b1', 'a2', 'b2', 'a3'].map((name) => task(name));
    expect(lines(tasks, LINE)).toEqual(['a1 a2 a3', 'b1 b2']);
    expect(lines(tasks, LINE)).toEqual(['a1 a2 a3', 'b1 b2']);
  });

  it('do not wait for a delayed one of them, unless they depend on it', () => {
    expect(lines(withDelayed(), LINE)).toEqual(['a1 a3', 'a2']);
    expect(lines(withDelayed({}), LINE)).toEqual(['a1 a2 a3']);
    expect(lines(withDelayed(), STOP)).toEqual(['a1 a2 a3']);
  });

  it("start together with order: 'concurrent', each chain of them a line of its own", () => {
    const chain: Chain = {};
    const tasks = [task('a1', chain), task('a2'), task('a3', chain), task('b1')];
    expect(lines(tasks, CONCURRENT)).toEqual(['a1 a3', 'a2', 'b1']);
  });

  it('stand behind those that were added before', () => {
    const early = [task('a1'), task('b1')];
    expect(lines(early, LINE)).toEqual(['a1', 'b1']);
    const late = [task('a2'), task('a3'), task('c1')];
    expect(lines([...early, ...late], LINE)).toEqual(['a1 a2 a3', 'b1', 'c1']);
    expect(headsOf(late).map(({ name }) => name)).toEqual(['a2', 'c1']);
  });

  it("are one chain for each engine with onFailure: 'stop', later ones included", () => {
    const early = [task('a1'), task('b1', {}), task('a2')];
    linesOf(early, STOP);
    const all = [...early, task('b2'), task('a3')];
    linesOf(all, STOP);
    const [a1, b1, a2, b2, a3] = all;
    expect([a2?.chain, a3?.chain]).toEqual([a1?.chain, a1?.chain]);
    expect(b2?.chain).toBe(b1?.chain);
    expect(b1?.chain).not.toBe(a1?.chain);
    expect([a1?.needs, a2?.needs, a3?.needs]).toEqual([undefined, a1, a2]);
  });
});

describe('the end of a task', () => {
  const [chain, other]: Chain[] = [{}, { id: 'other' }];
  it.each([
    ['completed', [], 'second'],
    ['failed', ['second', 'fourth'], 'third'],
  ] as const)('that %s in a chain drops %j, and %s is next', (standing, dropped, next) => {
    const behind = [
      link('cancelled', other, true),
      link('second', chain),
      link('third', other),
      link('fourth', chain),
      link('fifth'),
      link('cancelled', chain, true),
    ];
    const found = following(chain, standing, behind);
    expect([found.dropped.map(({ name }) => name), found.next?.name]).toEqual([dropped, next]);
  });

  it('outside of a chain drops nothing', () => {
    const found = following(undefined, 'failed', [link('next'), link('last')]);
    expect([found.dropped, found.next?.name]).toEqual([[], 'next']);
  });
});

describe('the turn of a task', () => {
  it.each([
    [undefined, undefined, 'now'],
    ['open', undefined, 'wait'],
    ['failed', undefined, 'now'],
    ['completed', 'open', 'wait'],
    ['open', 'failed', 'wait'],
    ['completed', 'failed', 'never'],
    ['failed', 'completed', 'now'],
  ] as const)('behind one that is %s, needing one that is %s, is %s', (prior, needed, turn) => {
    expect(turnOf(prior, needed)).toBe(turn);
  });
});

describe('a task that is added when its line has been released', () => {
  it('stands at the end of the line, whichever task it needs', () => {
    for (const index of [0, 1, 2]) {
      const chain: Chain = {};
      const tasks = ['a1', 'a2', 'a3'].map((name) => task(name));
      const [head] = linesOf(tasks, LINE);
      const late = task('a4', chain);
      late.prior = tasks[index];
      expect(fallIn(late)).toBe('wait');
      expect(fallIn(late)).toBe('wait');
      expect(namesFrom(head)).toBe('a1 a2 a3 a4');
    }
  });

  it('starts at once, or never, if that task has settled', () => {
    for (const [hasCompleted, turn] of [
      [true, 'now'],
      [false, 'never'],
    ] as const) {
      const chain: Chain = {};
      const [first, second] = [task('a1', chain), task('a2', chain)];
      first.isOver = true;
      first.hasCompleted = hasCompleted;
      second.prior = first;
      expect(fallIn(second)).toBe(turn);
    }
  });
});
