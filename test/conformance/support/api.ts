/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { PassThrough } from 'node:stream';
import { Controller, Inject, Param, Post, StreamableFile } from '@nestjs/common';
import { Tasks, type BackgroundTasks, type TaskHandle } from 'nestjs-background-tasks';
import { Jobs } from './jobs.js';

@Controller()
export class Api {
  /** Of the latest streamed response. */
  handles: readonly TaskHandle[] = [];
  tasks: BackgroundTasks | undefined;
  body = new PassThrough();

  constructor(@Inject(Jobs) private readonly jobs: Jobs) {}

  /** Two by name and one by `addTask()`, in this order. */
  @Post('three')
  async three(@Tasks() tasks: BackgroundTasks): Promise<void> {
    await this.jobs.note('first');
    tasks.addTask(this.jobs.note, 'second');
    await this.jobs.note('third');
  }

  /** Queues may have engines of their own. */
  @Post('two-queues')
  twoQueues(@Tasks() tasks: BackgroundTasks): void {
    tasks.addTask(this.jobs.note, 'default');
    tasks.addTask(this.jobs.single, 'single');
  }

  /** Two tasks for the default queue, and two for one of another engine. */
  @Post('two/:first')
  two(@Param('first') first: string, @Tasks() tasks: BackgroundTasks): void {
    if (first === 'chain') {
      const chain = tasks.chain();
      chain.addTask(this.jobs.note, 'here');
      chain.addTask({ queue: 'other' }, this.jobs.note, 'elsewhere');
    }
    if (first === 'flaky') {
      tasks.addTask(this.jobs.flaky, 'here 1', 1);
    } else {
      const body = first === 'hold' || first === 'hopeless' ? first : 'note';
      tasks.addTask(this.jobs[body], 'here 1');
    }
    const there = tasks.addTask({ queue: 'other' }, this.jobs.note, 'there 1');
    if (first === 'cancelled') {
      void there.cancel();
    }
    tasks.addTask(this.jobs.note, 'here 2');
    tasks.addTask({ queue: 'other' }, this.jobs.note, 'there 2');
  }

  @Post('ends/:how')
  ends(@Param('how') how: string, @Tasks() tasks: BackgroundTasks): void {
    tasks.addTask({ when: 'success' }, this.jobs.note, 'success');
    tasks.addTask({ when: 'failure' }, this.jobs.note, 'failure');
    tasks.addTask({ when: 'always' }, this.jobs.note, 'always');
    if (how === 'badly') {
      throw new Error('the handler failed');
    }
  }

  @Post('chain')
  breaks(@Tasks() tasks: BackgroundTasks): void {
    const chain = tasks.chain();
    chain.addTask(this.jobs.flaky, 'breaks', 9);
    chain.addTask(this.jobs.note, 'after the break');
    tasks.addTask(this.jobs.note, 'beside the chain');
  }

  /** A chain whose second task does not run, for a reason that shows before anything is released. */
  @Post('gap/:how')
  gap(@Param('how') how: string, @Tasks() tasks: BackgroundTasks): void {
    const chain = tasks.chain();
    chain.addTask(this.jobs.note, 'before the gap');
    if (how === 'dropped') {
      chain.addTask({ when: 'failure' }, this.jobs.note, 'the gap');
    } else {
      void chain.addTask(this.jobs.note, 'the gap').cancel();
    }
    chain.addTask(this.jobs.note, 'after the gap');
    tasks.addTask(this.jobs.note, 'beside the chain');
  }

  /** A chain with a duplicate of another task between one that fails and the last. */
  @Post('duplicate')
  duplicate(@Tasks() tasks: BackgroundTasks): void {
    const chain = tasks.chain();
    chain.addTask(this.jobs.hopeless, 'breaks');
    chain.addTask({ dedupe: { key: 'x' } }, this.jobs.note, 'duplicate');
    chain.addTask(this.jobs.note, 'last');
  }

  /**
   * Its body begins, and ends when the test says so. `late-second`: a chain of two of which the second
   * has a delay, and a task after it. `slow-first`: the first waits for its gate.
   */
  @Post('stream/:how')
  stream(@Param('how') how: string, @Tasks() tasks: BackgroundTasks): StreamableFile {
    const chain = tasks.chain();
    this.tasks = tasks;
    const add = {
      first: how === 'plain' ? tasks : chain,
      second: how === 'plain' ? tasks : chain,
      third: how === 'chain' ? chain : tasks,
    };
    this.handles = Object.entries(add).map(([tag, to]) =>
      how === `late-${tag}`
        ? to.addTask({ delay: '1h' }, this.jobs.note, tag)
        : to.addTask(how === `slow-${tag}` ? this.jobs.hold : this.jobs.note, tag),
    );
    this.body = new PassThrough();
    this.body.write('begins');
    return new StreamableFile(this.body);
  }

  /** Its handler never ends: nothing of it is stored. */
  @Post('endless')
  endless(@Tasks() tasks: BackgroundTasks): Promise<void> {
    this.handles = [tasks.addTask(this.jobs.note, 'collected')];
    return new Promise(() => undefined);
  }
}
