/**
 * A process of its own, because only there an unhandled rejection can be seen for what it is. It
 * throws everything at the library that a task can do, and prints a {@link FuzzReport}.
 *
 * Arguments: how many runs, how many tasks a run.
 */
import { fc } from '../../support/properties.js';
import type { Outcome, TaskHandle, TaskOptions } from '../../../lib/index.js';
import { HOSTILE_VALUES, thenable, thrower } from '../support/hostile-values.js';
import { createKit, type Kit } from '../support/kit.js';

export interface FuzzReport {
  /** Tasks added, those that tasks added included. */
  readonly tasks: number;
  /** How many of them settled, by status. */
  readonly settled: Record<string, number>;
  /** Bodies begun: retries count. */
  readonly attempts: number;
  /** What reached the process. */
  readonly escaped: readonly string[];
  /** fast-check's account of what did not hold, if anything. */
  readonly failure: string | undefined;
}

const BEHAVIOURS = [
  'return',
  'resolve',
  'resolve later',
  'throw',
  'reject',
  'reject later',
  'hang',
  'hang, then reject',
  'resolve twice',
  'resolve, then throw',
  'reject twice',
  'throw in then',
  'throw in get then',
  'add tasks',
  'add tasks, then throw',
] as const;

interface Plan {
  readonly behaviour: (typeof BEHAVIOURS)[number];
  /** What it throws, where it throws. */
  readonly value: number;
  readonly lasts: number;
  readonly attempts: number;
  readonly policy: 'plain' | 'retryIf throws' | 'backoff throws' | 'backoff returns nonsense';
  readonly delay: number;
  readonly queue: string;
  /** Added by a request, and in line with its other tasks. */
  readonly isCollected: boolean;
}

/** Tasks add tasks which add tasks, and no further. */
const DEEPEST = 2;
/** Longer than anything waits. */
const AGES_MS = 1e7;

const anyPlan: fc.Arbitrary<Plan> = fc.record({
  behaviour: fc.constantFrom(...BEHAVIOURS),
  value: fc.nat(HOSTILE_VALUES.length - 1),
  lasts: fc.nat(40),
  attempts: fc.integer({ min: 1, max: 3 }),
  policy: fc.oneof(
    { weight: 7, arbitrary: fc.constant('plain' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        'retryIf throws' as const,
        'backoff throws' as const,
        'backoff returns nonsense' as const,
      ),
    },
  ),
  delay: fc.constantFrom(0, 0, 0, 5, 50),
  queue: fc.constantFrom('default', 'narrow', 'wide'),
  isCollected: fc.boolean(),
});

const escaped: string[] = [];
const totals = { tasks: 0, attempts: 0, settled: {} as Record<string, number> };

/** One application and everything that is added to it. */
class Run {
  readonly handles: TaskHandle[] = [];
  /** How often each task was announced as settled, and by which name. */
  readonly ends = new Map<string, string[]>();
  /** How often `whenSettled()` resolved, by the order of the handles. */
  readonly outcomes: Outcome[][] = [];
  attempts = 0;

  constructor(readonly kit: Kit) {
    this.kit.runner.events.subscribe(() => {
      throw thrower();
    });
    this.kit.runner.events.subscribe(() => Promise.reject(thrower()));
    this.kit.runner.events.subscribe(({ id, type }) => {
      if (['completed', 'failed', 'cancelled', 'dropped', 'abandoned'].includes(type)) {
        this.ends.set(id, [...(this.ends.get(id) ?? []), type]);
      }
    });
  }

  add(plan: Plan, add: (options: TaskOptions, body: () => unknown) => TaskHandle, depth = 0): void {
    const handle = add(optionsOf(plan), () => this.body(plan, depth));
    const outcomes: Outcome[] = [];
    this.handles.push(handle);
    this.outcomes.push(outcomes);
    void handle.whenSettled().then((outcome) => outcomes.push(outcome));
  }

  private body(plan: Plan, depth: number): unknown {
    const { clock, runner } = this.kit;
    const value = HOSTILE_VALUES[plan.value]?.[1]();
    const children = (): void => {
      const first = plan.lasts % (BEHAVIOURS.length - 2);
      const behaviours = depth < DEEPEST ? BEHAVIOURS.slice(first, first + 3) : [];
      for (const behaviour of behaviours) {
        const child = { ...plan, behaviour, lasts: plan.lasts + 11 };
        this.add(child, (...call) => runner.addTask(...call), depth + 1);
      }
    };
    this.attempts += 1;
    switch (plan.behaviour) {
      case 'return':
        return value;
      case 'resolve':
        return Promise.resolve();
      case 'resolve later':
        return clock.sleep(plan.lasts);
      case 'throw':
        throw value;
      case 'reject':
        return Promise.reject(value);
      case 'reject later':
        return clock.sleep(plan.lasts).then(() => Promise.reject(value));
      case 'hang':
        return new Promise(() => undefined);
      case 'hang, then reject':
        return clock.sleep(1000).then(() => Promise.reject(value));
      case 'resolve twice':
        return thenable((resolve) => [resolve(), resolve(value)]);
      case 'resolve, then throw':
        return thenable((resolve) => {
          resolve();
          throw value;
        });
      case 'reject twice':
        return thenable((_, reject) => [reject(value), reject(value)]);
      case 'throw in then':
        return thenable(() => {
          throw value;
        });
      case 'throw in get then':
        return thrower();
      case 'add tasks':
        return children();
      case 'add tasks, then throw':
        children();
        throw value;
    }
  }

  /** Throws where what holds for every task does not. */
  check(): void {
    for (const [index, { id, name, status }] of this.handles.entries()) {
      const announced = (this.ends.get(id) ?? []).join(' and ');
      const resolved = (this.outcomes[index] ?? []).map((outcome) => outcome.status).join(' and ');
      if (announced !== status || resolved !== status) {
        throw new Error(
          `Task ${name} is ${status}, was announced as ${announced || 'nothing'} and resolved to ` +
            `${resolved || 'nothing'}.`,
        );
      }
    }
    if (this.ends.size !== this.handles.length) {
      throw new Error(`${this.handles.length} tasks were added, ${this.ends.size} settled.`);
    }
    if (this.kit.clock.pendingTimers > 0) {
      throw new Error('A timer is left.');
    }
    if (escaped.length > 0) {
      throw new Error(`This reached the process: ${escaped[0]}`);
    }
  }
}

function fail(): never {
  throw thrower();
}

function optionsOf({ behaviour, attempts, policy, delay, queue, lasts }: Plan): TaskOptions {
  const hangs = behaviour.startsWith('hang');
  return {
    name: behaviour,
    queue,
    delay,
    timeout: hangs ? 30 : lasts % 2 === 0 ? 20 : undefined,
    when: 'always',
    retry: {
      attempts,
      delay: 7,
      ...(policy === 'retryIf throws' && { retryIf: fail }),
      ...(policy === 'backoff throws' && { backoff: fail }),
      ...(policy === 'backoff returns nonsense' && { backoff: () => thrower() as never }),
    },
  };
}

async function runOnce(plans: readonly Plan[], end: number): Promise<void> {
  const kit = createKit({
    queues: { narrow: { concurrency: 1 }, wide: { concurrency: Number.POSITIVE_INFINITY } },
    request: { onFailure: end % 2 === 0 ? 'continue' : 'stop' },
  });
  const run = new Run(kit);
  const { clock, handle, runner } = kit;
  await handle((tasks) => {
    for (const plan of plans) {
      run.add(plan, (...call) => (plan.isCollected ? tasks : runner).addTask(...call));
    }
  });
  await clock.advance(AGES_MS);

  totals.tasks += run.handles.length;
  totals.attempts += run.attempts;
  for (const { status } of run.handles) {
    totals.settled[status] = (totals.settled[status] ?? 0) + 1;
  }
  run.check();
}

async function main(runs: number, tasksPerRun: number): Promise<FuzzReport> {
  const note = (kind: string) => (error: unknown) => {
    let text = 'a value that cannot be shown';
    try {
      text = error instanceof Error ? String(error.stack) : String(error);
    } catch {
      // It stays what it is.
    }
    escaped.push(`${kind}: ${text}`);
  };
  process.on('unhandledRejection', note('unhandledRejection'));
  process.on('uncaughtException', note('uncaughtException'));

  const plans = fc.array(anyPlan, { minLength: tasksPerRun, maxLength: tasksPerRun });
  const property = fc.asyncProperty(plans, fc.nat(100), (each, end) => runOnce(each, end));
  // Not shrunk: the first failure may have left its traces in the process.
  const result = await fc.check(property, { numRuns: runs, endOnFailure: true });
  const failure = result.failed
    ? `seed ${result.seed}, path ${result.counterexamplePath}: ${String(result.errorInstance)}`
    : undefined;
  return { ...totals, escaped: escaped.slice(0, 5), failure };
}

const [runs, tasksPerRun] = process.argv.slice(2);
const report = await main(Number(runs), Number(tasksPerRun));
process.stdout.write(JSON.stringify(report));
