/* oxlint-disable typescript/unbound-method -- a @Background() method may be passed unbound */
import { Injectable } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { Background, currentTask } from '../../../lib/index.js';
import { createApp } from '../support/app.js';
import { added } from '../support/tasks.js';

@Injectable()
class Mailer {
  readonly sent: string[] = [];

  @Background({ retry: { attempts: 2 } })
  async sendWelcome(to: string, copies = 0): Promise<void> {
    this.sent.push(`${to} as ${currentTask().name || 'no task'}`);
    if (copies > 0) {
      await this.sendWelcome(to, copies - 1);
    }
  }

  @Background()
  report(): void {
    this.sent.push(`report as ${currentTask().name || 'no task'}`);
    void this.sendWelcome('the boss');
  }
}

describe('a call of a @Background() method', () => {
  it('R11: is a task of its own inside its own body, with the options of the method', async () => {
    @Injectable()
    class Countdown {
      readonly ran: number[] = [];

      @Background({ delay: '50ms' })
      async again(left: number): Promise<void> {
        this.ran.push(left);
        if (left > 0) {
          await this.again(left - 1);
        }
      }
    }
    const { clock, module, record } = await createApp({ providers: [Countdown] });
    const events = record();
    const countdown = module.get(Countdown);
    await countdown.again(2);
    await clock.advance(100);
    expect(countdown.ran).toEqual([2, 1]);
    await clock.advance(50);
    expect(countdown.ran).toEqual([2, 1, 0]);
    expect(added(events)).toHaveLength(3);
  });

  it('R11: fails a task, without a rejection, if nobody awaits it', async () => {
    @Injectable()
    class Careless {
      @Background()
      async run(isInner = false): Promise<void> {
        if (isInner) {
          throw new Error('refused');
        }
        void this.run(true);
      }
    }
    const { clock, module, record } = await createApp({ providers: [Careless] });
    const events = record();
    await module.get(Careless).run();
    await clock.settle();
    expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['completed', 'failed']));
  });
});

it('P15: without the module a method just runs', async () => {
  const mailer = new Mailer();
  await mailer.sendWelcome('Ann', 1);
  mailer.report();
  expect(mailer.sent).toEqual([
    'Ann as no task',
    'Ann as no task',
    'report as no task',
    'the boss as no task',
  ]);
});

describe('a subclass', () => {
  @Injectable()
  class BulkMailer extends Mailer {}

  @Injectable()
  class LoudMailer extends Mailer {
    @Background()
    override async sendWelcome(to: string): Promise<void> {
      this.sent.push('loudly');
      await super.sendWelcome(to.toUpperCase());
    }
  }

  it('shares a method with its base: addTask() refuses to guess the provider', async () => {
    const { module, runner } = await createApp({ providers: [Mailer, BulkMailer] });
    const add = () => runner.addTask(module.get(BulkMailer).sendWelcome, 'Ann');
    expect(add).toThrow(
      '"Mailer.sendWelcome" is a @Background() method of several providers ' +
        '(Mailer.sendWelcome, BulkMailer.sendWelcome), and the function alone does not ' +
        'tell which one is meant. Call the method on its provider instead.',
    );
    expect(add).toThrow(expect.objectContaining({ code: 'BGT_AMBIGUOUS_TASK' }));
  });

  it('P21: may override a method, and a call through super is the body of the base', async () => {
    const { clock, module, record } = await createApp({ providers: [Mailer, LoudMailer] });
    const events = record();
    const mailer = module.get(LoudMailer);
    await mailer.sendWelcome('Ann');
    await clock.settle();
    expect(mailer.sent).toEqual(['loudly', 'ANN as LoudMailer.sendWelcome']);
    expect(added(events)).toEqual(['LoudMailer.sendWelcome']);
  });
});
