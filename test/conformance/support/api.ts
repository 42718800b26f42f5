/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { Controller, Inject, Param, Post } from '@nestjs/common';
import { Tasks, type BackgroundTasks } from 'nestjs-background-tasks';
import { Jobs } from './jobs.js';

@Controller()
export class Api {
  constructor(@Inject(Jobs) private readonly jobs: Jobs) {}

  /** Two by name and one by `addTask()`, in this order. */
  @Post('three')
  async three(@Tasks() tasks: BackgroundTasks): Promise<void> {
    await this.jobs.note('first');
    tasks.addTask(this.jobs.note, 'second');
    await this.jobs.note('third');
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
  chain(@Tasks() tasks: BackgroundTasks): void {
    const chain = tasks.chain();
    chain.addTask(this.jobs.flaky, 'breaks', 9);
    chain.addTask(this.jobs.note, 'after the break');
    tasks.addTask(this.jobs.note, 'beside the chain');
  }
}
