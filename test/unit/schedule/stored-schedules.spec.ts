import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { QueueFullError } from '../../../lib/errors/queue-full.error.js';
import type { ScheduleStore } from '../../../lib/engine/engine.js';
import { StoredSchedules } from '../../../lib/schedule/stored-schedules.js';
import { timingOf } from '../../../lib/schedule/timing.js';
import type { ScheduleOptions } from '../../../lib/task/schedule-options.js';
import type { Task } from '../../../lib/task/task.js';
import { FakeClock } from '../support/fake-clock.js';

/** A store that several processes share, whose clock is its own. */
class SharedRecords implements ScheduleStore {
  readonly records = new Map<string, string>();
  readonly tasks: string[] = [];
  isDown = false;
  isFull = false;
  loads = 0;
  /** How long each answer takes. */
  slowMs = 0;

  constructor(readonly clock: FakeClock) {}

  async load() {
    this.loads += 1;
    await this.answer();
    return { now: this.clock.now() + 3_600_000, records: new Map(this.records) };
  }

  async swap(name: string, before: string | undefined, after: string | undefined, task?: Task) {
    await this.answer();
    if (this.isFull) {
      throw new Error('The store is full.');
    }
    if (this.records.get(name) !== before) {
      return 'stale' as const;
    }
    if (task?.name === 'full') {
      throw new QueueFullError('q', 1);
    }
    if (after === undefined) {
      this.records.delete(name);
    } else {
      this.records.set(name, after);
    }
    if (task !== undefined) {
      this.tasks.push(`${task.name} at ${new Date(this.clock.now()).toISOString().slice(11, 19)}`);
    }
    return 'done' as const;
  }

  private async answer(): Promise<void> {
    await turn();
    this.clock.block(this.slowMs);
    if (this.isDown) {
      throw new Error('The store is down.');
    }
  }
}

let clock: FakeClock;
let store: SharedRecords;
const told: string[] = [];

/** A process that has `own` in its code. */
function processWith(
  own: Record<string, ScheduleOptions>,
  known: readonly string[] = [],
  queue = 'q',
) {
  const schedules = unstarted(own, known, queue);
  schedules.start();
  return schedules;
}

function unstarted(
  own: Record<string, ScheduleOptions>,
  known: readonly string[] = [],
  queue = 'q',
) {
  const schedules = new StoredSchedules({
    store,
    clock,
    knows: (name) => known.includes(name),
    restore: (_queue, call) => ({ name: call.name }) as Task,
    stored: () => undefined,
    notStored: () => undefined,
    tickFailed: (name, error) => told.push(`${name}: ${String(error)}`),
    failed: (error) => told.push(String(error)),
    recovered: () => undefined,
    missed: (name, count, policy) => told.push(`${name} missed ${count}: ${policy}`),
  });
  declare(schedules, own, queue);
  return schedules;
}

function declare(
  schedules: StoredSchedules,
  own: Record<string, ScheduleOptions>,
  queue: string,
): void {
  for (const [name, options] of Object.entries(own)) {
    const makeTask = (): Task => ({ name }) as Task;
    schedules.declare({ name, queue, options, timing: timingOf(options, name), makeTask });
  }
}

async function started(...each: Record<string, ScheduleOptions>[]) {
  let last = processWith({});
  for (const own of each) {
    const next = processWith(own);
    await pass(1_000);
    await last.stop();
    last = next;
  }
  return last;
}

async function pass(ms: number, stepMs = 1_000): Promise<void> {
  for (let passed = 0; passed <= ms; passed += stepMs) {
    for (let turns = 0; turns < 100; turns += 1) {
      await turn();
    }
    if (passed < ms) {
      await clock.advance(Math.min(stepMs, ms - passed));
    }
  }
}

beforeEach(() => {
  clock = new FakeClock(Date.UTC(2026, 0, 1));
  store = new SharedRecords(clock);
  told.length = 0;
});

describe('a schedule that processes share', () => {
  it('ticks by the clock of the store, which is an hour ahead', async () => {
    processWith({ a: { cron: '30 1 * * *', timeZone: 'UTC' } });
    await pass(3_600_000, 5_000);
    expect(store.tasks).toEqual(['a at 00:30:00']);
  });

  it('makes up for ticks that were due while the store was away', async () => {
    processWith({ a: { every: '5s' } });
    await pass(6_000);
    store.isDown = true;
    await pass(12_000);
    store.isDown = false;
    await pass(6_000);
    expect(store.tasks).toHaveLength(4);
    expect(told[0]).toContain('down');
  });

  it.each([
    ['skip', 0],
    ['once', 1],
    ['all', 20],
  ] as const)('makes up for missed ticks as `missed: %s` says', async (missed, expected) => {
    const options: ScheduleOptions = { every: '1m', missed };
    await (await started({ a: options })).stop();
    const before = store.tasks.length;
    await clock.advance(20 * 60_000);
    processWith({ a: options });
    await pass(0);
    expect(store.tasks.length - before).toBe(expected);
    expect(told).toEqual([`a missed 20: ${missed}`]);
  });

  it('makes up for all missed ticks, 1,000 at most, whichever process stops amid them', async () => {
    const options: ScheduleOptions = { every: '1m', missed: 'all' };
    await (await started({ a: options })).stop();
    await clock.advance(1_200 * 60_000);
    for (let count = 0; count < 3; count += 1) {
      const schedules = processWith({ a: options });
      while (store.tasks.length < 50 * (count + 1)) {
        await turn();
      }
      await schedules.stop();
    }
    expect(store.tasks.length).toBeLessThan(1_000);
    processWith({ a: options });
    await pass(20_000);
    expect(store.tasks).toHaveLength(1_000);
    expect(told).toEqual(['a missed 1000: all']);
  });

  it('lets others have their turn, although its ticks come faster than the store takes them', async () => {
    store.slowMs = 5;
    const schedules = processWith({ a: { every: 1 }, b: { every: '5s' } });
    await pass(5_000);
    expect((await schedules.all()).map(([name]) => name)).toEqual(['a', 'b']);
    expect(store.tasks.some((task) => task.startsWith('b'))).toBe(true);
    await schedules.stop();
  });

  it('is read once with all others at which another process was first', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `schedule ${index}`);
    const own = Object.fromEntries(names.map((name) => [name, { every: '20s' } as const]));
    processWith(own);
    processWith(own);
    await pass(19_000);
    const { loads } = store;
    await pass(1_000);
    expect(store.tasks).toHaveLength(names.length);
    expect(store.loads - loads).toBeLessThan(6);
  });

  const runtimeCall = { name: 'm', stored: { args: '[]' } as never };

  it('skips missed ticks also if the start of the application adds a schedule', async () => {
    await (await started({ a: { every: '1m' } })).stop();
    await clock.advance(20 * 60_000);
    const again = unstarted({ a: { every: '1m' } }, ['m']);
    await again.put('b', { options: { every: '1h' }, queue: 'q', call: runtimeCall });
    again.start();
    await pass(0);
    expect(store.tasks).toEqual([]);
    expect(told).toEqual(['a missed 20: skip']);
  });

  it('skips missed ticks also if a schedule is added once the store is back', async () => {
    const schedules = processWith({ a: { every: '5s' } }, ['m']);
    await pass(1_000);
    store.isDown = true;
    await pass(600_500);
    store.isDown = false;
    await schedules.put('b', { options: { every: '1h' }, queue: 'q', call: runtimeCall });
    await pass(1_000);
    expect(store.tasks).toEqual([]);
    expect(told.at(-1)).toMatch(/a missed \d+: skip/);
  });

  it('does not expire while it is listed all the time', async () => {
    const schedules = processWith({ a: { every: '1h' } });
    processWith({ b: { every: '1h' } });
    for (let count = 0; count < 40; count += 1) {
      await pass(5_000);
      await schedules.all();
    }
    expect([...store.records.keys()]).toEqual(['a', 'b']);
  });

  it.each(['isDown', 'isFull'] as const)('goes on if its removal has failed: %s', async (fault) => {
    const schedules = processWith({ a: { every: '5s' } });
    await pass(1_000);
    store[fault] = true;
    await expect(schedules.remove('a')).rejects.toThrow('The store is');
    store[fault] = false;
    await pass(12_000);
    expect(store.tasks).toHaveLength(2);
  });

  it.each([
    ['the span', { every: '1h' }, 'q', 1],
    ['the queue', { every: '20s' }, 'other', 8],
  ] as const)(
    'is not changed back by an older process that starts again: %s',
    async (_what, options, queue, ticks) => {
      processWith({ a: { every: '20s' } });
      await pass(20_000);
      processWith({ a: options }, [], queue);
      await pass(30_000);
      const record = (): unknown => {
        const { options: timing, queue: to, past } = JSON.parse(store.records.get('a') ?? '');
        return { timing, to, past };
      };
      const newer = record();
      processWith({ a: { every: '20s' } });
      for (let passed = 0; passed < 110; passed += 10) {
        await pass(10_000);
        expect(record()).toEqual(newer);
      }
      expect(store.tasks).toHaveLength(ticks);
    },
  );

  it('is changed back if the newer version is gone', async () => {
    const newer = await started({ a: { every: '20s' } }, { a: { every: '1h' } });
    processWith({ a: { every: '20s' } });
    await pass(5_000);
    await newer.stop();
    await pass(150_000);
    expect(store.tasks.length).toBeGreaterThan(1);
  });

  it('is removed when no process has it in the code', async () => {
    await (await started({ a: { every: '1h' } })).stop();
    processWith({ b: { every: '1h' } });
    await pass(60_000);
    expect([...store.records.keys()]).toEqual(['a', 'b']);
    await pass(60_000);
    expect([...store.records.keys()]).toEqual(['b']);
  });

  it('that was added at run time ticks where its method is known, until it is removed', async () => {
    const call = { name: 'Mailer.send', stored: { args: '[1]' } as never };
    const producer = processWith({});
    await producer.put('digest', { options: { every: '5s' }, queue: 'q', call });
    await pass(15_000);
    expect(store.tasks).toEqual([]);
    const worker = processWith({}, ['Mailer.send']);
    await pass(6_000);
    expect(store.tasks).not.toEqual([]);
    expect(await producer.remove('digest')).toBe(true);
    await pass(12_000);
    const { length } = store.tasks;
    await pass(20_000);
    expect(store.tasks).toHaveLength(length);
    expect(await worker.remove('digest')).toBe(false);
  });

  it('is added, changed and removed without reading all others', async () => {
    const schedules = processWith({});
    await pass(0);
    const { loads } = store;
    for (const every of ['1h', '1h', '2h'] as const) {
      await schedules.put('b', { options: { every }, queue: 'q', call: runtimeCall });
    }
    expect(await schedules.remove('b')).toBe(true);
    expect(store.loads).toBe(loads);
    // Another process has added one meanwhile.
    const other = processWith({});
    await other.put('c', { options: { every: '1h' }, queue: 'q', call: runtimeCall });
    await schedules.put('c', { options: { every: '2h' }, queue: 'q', call: runtimeCall });
    expect(await schedules.remove('b')).toBe(false);
    expect(await schedules.remove('c')).toBe(true);
  });

  it('is not held up by a schedule whose task cannot be made or has no room', async () => {
    const schedules = processWith({ full: { every: '5s' }, good: { every: '5s' } });
    schedules.declare({
      name: 'bad',
      queue: 'q',
      options: { every: '5s' },
      timing: timingOf({ every: '5s' }, 'bad'),
      makeTask: () => {
        throw new Error('no key');
      },
    });
    await pass(11_000);
    expect(store.tasks.map((task) => task.slice(0, 4))).toEqual(['good', 'good']);
    expect([...new Set(told)].toSorted()).toEqual([
      'bad: Error: no key',
      expect.stringMatching(/^full: .*Queue "q" is full/),
    ]);
  });

  it.each([
    ['{"v":1,"options":{"cron":"x"},"queue":"q","last":0,"seen":0}'],
    ['{"v":1,"options":{"every":"x"},"queue":"q","last":0,"seen":0}'],
    ['{"v":1,"options":null,"queue":"q","last":0,"seen":0}'],
    ['{"v":1,"options":{"every":"5s"},"queue":"q","last":0,"seen":0,"call":null}'],
    ['{"v":1,"options":{"every":"5s"},"queue":"q","last":0,"seen":0,"call":{"name":"m"}}'],
  ])('O21: leaves a record that cannot be read alone: %s', async (text) => {
    store.records.set('forged', text);
    processWith({ a: { every: '5s' } }, ['m']);
    await pass(6_000);
    expect(store.records.get('forged')).toBe(text);
    expect(store.tasks).toHaveLength(1);
    expect(told).toEqual([]);
  });
});
