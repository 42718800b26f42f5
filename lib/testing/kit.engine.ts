import { MemoryEngine } from '../engine/memory/memory.engine.js';
import type { DrainScope, Engine, EngineSetting, EngineSupport, Worker } from '../engine/engine.js';
import { ambient } from '../task/ambient.js';
import type { Task } from '../task/task.js';
import type { TransactionClient } from '../task/transaction-client.js';
import { AwaitedTask } from './awaited-task.js';
import type { KitClock } from './kit-clock.js';
import type { Ledger } from './ledger.js';
import type { ManualPace } from './manual-pace.js';
import { realClock } from './real-clock.js';

export interface KitEngineSetting {
  readonly clock: KitClock;
  readonly ledger: Ledger;
  /** `undefined` where tasks run by themselves. */
  readonly pace: ManualPace | undefined;
  /** The engine that each queue is configured with. It tells what it supports, and is never opened. */
  readonly configured: ReadonlyMap<string, Engine>;
  /** @returns the arguments that the task will be called with */
  readonly storeArgs: (task: Task) => readonly unknown[];
  /** Tasks whose errors reach their callers. */
  readonly awaited: WeakSet<Task>;
}

/** The memory engine with all its rules, observed and controlled by a test. */
export class KitEngine extends MemoryEngine {
  /** Replaces the support of engines that store tasks, join transactions or have schedules. */
  private readonly supports = new Map<EngineSupport, EngineSupport>();

  constructor(
    setting: EngineSetting,
    private readonly kit: KitEngineSetting,
  ) {
    super({ ...setting, worker: watched(setting.worker, kit) }, undefined, kit.pace);
  }

  /**
   * A call that production could not store is refused here, too, and arguments make the same round
   * trip.
   */
  override supportOf(queue: string): EngineSupport {
    const support = this.kit.configured.get(queue)?.supportOf(queue) ?? super.supportOf(queue);
    const { storage, storeWithin, schedules } = support;
    if (storage === undefined && storeWithin === undefined && schedules === undefined) {
      return support;
    }
    const own = this.supports.get(support) ?? {
      ...support,
      storage: storage && { ...storage, takesMocks: true },
      ...(storeWithin && { storeWithin: this.storeWithin }),
      // Schedules tick by the kit's clock, and end with the test.
      schedules: undefined,
    };
    this.supports.set(support, own);
    return own;
  }

  /** The kit takes no part in the transaction: the task is added even if that is rolled back. */
  private readonly storeWithin = (_client: TransactionClient, task: Task): Promise<string> => {
    task.isCommitted = true;
    this.admit(task);
    realClock.soon(() => void this.release(task));
    return Promise.resolve(task.id);
  };

  override admit(task: Task, isDeadLetter?: boolean): void {
    const args = this.kit.storeArgs(task);
    super.admit(task, isDeadLetter);
    task.args = args;
    this.kit.ledger.admitted(task);
  }

  override release(task: Task): PromiseLike<void> | void {
    const { ledger, pace, awaited } = this.kit;
    ledger.handedOver(task);
    super.release(task);
    // Not where the task can start only after its caller has gone on.
    const isInsideTask = ambient.getStore()?.kind === 'task';
    return pace === undefined && !isInsideTask && !this.isPausedFor(task)
      ? new AwaitedTask(task, () => void awaited.add(task))
      : undefined;
  }

  override discard(task: Task): void {
    super.discard(task);
    this.kit.ledger.left(task);
  }

  /** The end of a test starts no task that the test has not started. */
  override async drain(deadline: number, scope: DrainScope): Promise<void> {
    if (this.kit.pace === undefined) {
      await super.drain(deadline, scope);
    }
  }

  override async stop(graceMs: number): Promise<void> {
    const { pace, clock, ledger } = this.kit;
    if (pace === undefined) {
      return super.stop(graceMs);
    }
    pace.close();
    for (const task of [...ledger.collected, ...ledger.released]) {
      if (task.status !== 'running') {
        this.cancel(task);
      }
    }
    const stopped = super.stop(0);
    clock.moveTo(clock.now());
    await stopped;
  }

  private isPausedFor({ queue }: Task): boolean {
    return [...this.states()].some((state) => state.queue === queue && state.isPaused);
  }
}

function watched(worker: Worker, { ledger, pace }: KitEngineSetting): Worker {
  return {
    attempt(task, conclude) {
      pace?.started();
      ledger.started(task);
      worker.attempt(task, (attempted, verdict) => {
        ledger.concluded(attempted, verdict);
        conclude(attempted, verdict);
        ledger.changed();
      });
    },
    announce(task, verdict) {
      worker.announce(task, verdict);
      ledger.announced(task, verdict);
    },
  };
}
