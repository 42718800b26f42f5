import { describe, expect, it } from '@jest/globals';
import { Controller, Get, Inject, Injectable, Scope, SetMetadata } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import {
  Background,
  Tasks,
  currentTask,
  type BackgroundTasks,
  type CurrentTask,
} from 'nestjs-background-tasks';
import { onEachPlatform } from './support/platforms.js';
import { startApp } from './support/running-app.js';

/** What decorators of other libraries do: put a function of their own around the method. */
function Counted(calls: string[], { keepsMetadata = true } = {}): MethodDecorator {
  return (_target, key, descriptor: PropertyDescriptor) => {
    const method = descriptor.value as (...args: unknown[]) => unknown;
    const counted = function (this: unknown, ...args: unknown[]): unknown {
      calls.push(String(key));
      return method.apply(this, args);
    };
    const names = keepsMetadata ? Reflect.getMetadataKeys(method) : [];
    names.forEach((name) =>
      Reflect.defineMetadata(name, Reflect.getMetadata(name, method), counted),
    );
    descriptor.value = counted;
  };
}

onEachPlatform((platform) => {
  it('P14: a call is collected; its promise resolves before the method has run', async () => {
    const seen: string[] = [];

    @Injectable()
    class Mailer {
      @Background()
      async sendWelcome(userId: string): Promise<void> {
        seen.push(`welcome, ${userId}`);
      }

      @Background()
      note(text: string): void {
        seen.push(text);
      }
    }

    @Controller()
    class MailController {
      constructor(private readonly mailer: Mailer) {}

      @Get()
      async get(): Promise<string> {
        await this.mailer.sendWelcome('42');
        this.mailer.note('noted');
        seen.push('accepted');
        return 'answered';
      }
    }

    const app = await startApp(platform, { controllers: [MailController], providers: [Mailer] });
    expect((await app.request('/')).body).toBe('answered');
    await app.untilSettled(2);

    expect(seen).toEqual(['accepted', 'welcome, 42', 'noted']);
    expect(app.names('completed')).toEqual(['Mailer.sendWelcome', 'Mailer.note']);
  });

  it('P21: a call through `this.` is a task too, from its own body as well', async () => {
    const seen: string[] = [];

    @Injectable()
    class Countdown {
      private readonly label = 'countdown';

      async start(): Promise<void> {
        await this.step(2);
        seen.push('accepted');
      }

      @Background()
      async step(number: number): Promise<void> {
        seen.push(`${this.label} ${number}, task ${currentTask().name}`);
        if (number > 0) {
          await this.step(number - 1);
        }
      }
    }

    @Controller()
    class CountdownController {
      constructor(private readonly countdown: Countdown) {}

      @Get()
      async get(): Promise<void> {
        await this.countdown.start();
      }
    }

    const app = await startApp(platform, {
      controllers: [CountdownController],
      providers: [Countdown],
    });
    await app.request('/');
    await app.untilSettled(3);

    expect(seen).toEqual([
      'accepted',
      'countdown 2, task Countdown.step',
      'countdown 1, task Countdown.step',
      'countdown 0, task Countdown.step',
    ]);
    expect(app.names('added')).toEqual(['Countdown.step', 'Countdown.step', 'Countdown.step']);
  });

  it('P14: metadata and other decorators survive, above and below', async () => {
    const seen: string[] = [];
    const calls: string[] = [];

    @Injectable()
    class Decorated {
      @SetMetadata('outer', 1)
      @Background()
      @SetMetadata('inner', 2)
      async between(): Promise<void> {
        seen.push('between');
      }

      @Background()
      @Counted(calls)
      async over(): Promise<void> {
        seen.push('over');
      }
    }

    @Controller()
    class DecoratedController {
      constructor(private readonly decorated: Decorated) {}

      @Get()
      async get(): Promise<object> {
        await this.decorated.between();
        await this.decorated.over();
        return { calls, seen };
      }
    }

    const between = Object.getOwnPropertyDescriptor(Decorated.prototype, 'between')
      ?.value as object;
    expect(Reflect.getMetadata('outer', between)).toBe(1);
    expect(Reflect.getMetadata('inner', between)).toBe(2);
    expect(between).toHaveProperty('name', 'between');

    const app = await startApp(platform, {
      controllers: [DecoratedController],
      providers: [Decorated],
    });
    // What wraps the body runs with it.
    expect((await app.request('/')).body).toBe('{"calls":[],"seen":[]}');
    await app.untilSettled(2);
    expect(seen).toEqual(['between', 'over']);
    expect(calls).toEqual(['over']);
    expect(app.names('completed')).toEqual(['Decorated.between', 'Decorated.over']);
  });

  it.each([{ keepsMetadata: true }, { keepsMetadata: false }])(
    'P14: a decorator above @Background() runs with the call, which is a task still (%o)',
    async (options) => {
      const calls: string[] = [];
      const seen: string[] = [];

      @Injectable()
      class Wrapped {
        @Counted(calls, options)
        @Background({ name: 'wrapped' })
        async send(): Promise<void> {
          seen.push('sent');
        }
      }

      @Controller()
      class WrappedController {
        constructor(private readonly wrapped: Wrapped) {}

        @Get()
        async get(): Promise<object> {
          await this.wrapped.send();
          return { calls, seen };
        }
      }

      const app = await startApp(platform, {
        controllers: [WrappedController],
        providers: [Wrapped],
      });
      expect((await app.request('/')).body).toBe('{"calls":["send"],"seen":[]}');
      await app.untilSettled(1);
      expect(seen).toEqual(['sent']);
      expect(app.names('completed')).toEqual(['wrapped']);
    },
  );

  it('P14: a request-scoped provider runs its method on the instance of its request', async () => {
    const seen: string[] = [];

    @Injectable({ scope: Scope.REQUEST })
    class Visits {
      private count = 0;

      constructor(@Inject(REQUEST) private readonly request: { url: string }) {}

      async visit(): Promise<void> {
        this.count += 1;
        await this.record();
      }

      @Background({ name: 'record-visit' })
      async record(): Promise<void> {
        seen.push(`${this.request.url}, visit ${this.count}`);
      }
    }

    @Controller()
    class VisitsController {
      constructor(private readonly visits: Visits) {}

      @Get(['one', 'two'])
      async get(): Promise<string> {
        await this.visits.visit();
        return seen.join();
      }
    }

    const app = await startApp(platform, { controllers: [VisitsController], providers: [Visits] });
    expect((await app.request('/one')).body).toBe('');
    await app.untilSettled(1);
    await app.request('/two');
    await app.untilSettled(2);

    expect(seen).toEqual(['/one, visit 1', '/two, visit 1']);
    expect(app.names('completed')).toEqual(['record-visit', 'record-visit']);
  });

  it('P14: a transient provider runs it on the instance of its consumer', async () => {
    const seen: string[] = [];

    @Injectable({ scope: Scope.TRANSIENT })
    class Note {
      text = 'nothing';

      @Background()
      async write(): Promise<void> {
        seen.push(this.text);
      }
    }

    @Injectable()
    class Desk {
      constructor(readonly note: Note) {}
    }

    @Controller()
    class NotesController {
      constructor(
        private readonly note: Note,
        private readonly desk: Desk,
      ) {}

      @Get()
      async get(): Promise<void> {
        this.note.text = 'one';
        this.desk.note.text = 'other';
        await this.desk.note.write();
        await this.note.write();
      }
    }

    const app = await startApp(platform, {
      controllers: [NotesController],
      providers: [Note, Desk],
    });
    await app.request('/');
    await app.untilSettled(2);

    expect(seen).toEqual(['other', 'one']);
    expect(app.names('completed')).toEqual(['Note.write', 'Note.write']);
  });

  it('P16: addTask(this.mailer.sendWelcome, id) is the same task as the call', async () => {
    const seen: unknown[] = [];

    @Injectable()
    class Mailer {
      private readonly sender = 'postmaster';

      @Background({ retry: { attempts: 2, delay: 1 } })
      async sendWelcome(userId: string): Promise<void> {
        const { name, maxAttempts }: CurrentTask = currentTask();
        seen.push([this.sender, userId, name, maxAttempts]);
      }

      @Background({ name: 'goodbye-mail' })
      async sendGoodbye(userId: string): Promise<void> {
        const { name, maxAttempts }: CurrentTask = currentTask();
        seen.push([this.sender, userId, name, maxAttempts]);
      }
    }

    @Controller()
    class MailController {
      constructor(private readonly mailer: Mailer) {}

      @Get()
      async get(@Tasks() tasks: BackgroundTasks): Promise<string[]> {
        await this.mailer.sendWelcome('1');
        // oxlint-disable typescript/unbound-method -- The task finds its provider by itself.
        return [
          tasks.addTask(this.mailer.sendWelcome, '2').name,
          tasks.addTask({ retry: { attempts: 7 } }, this.mailer.sendWelcome, '3').name,
          tasks.addTask(this.mailer.sendGoodbye, '4').name,
        ];
        // oxlint-enable typescript/unbound-method
      }
    }

    const app = await startApp(platform, { controllers: [MailController], providers: [Mailer] });
    const { body } = await app.request('/');
    await app.untilSettled(4);

    expect(JSON.parse(body)).toEqual(['Mailer.sendWelcome', 'Mailer.sendWelcome', 'goodbye-mail']);
    expect(seen).toEqual([
      ['postmaster', '1', 'Mailer.sendWelcome', 2],
      ['postmaster', '2', 'Mailer.sendWelcome', 2],
      ['postmaster', '3', 'Mailer.sendWelcome', 7],
      ['postmaster', '4', 'goodbye-mail', 1],
    ]);
  });

  it('P16: two methods with one name are refused at start-up', async () => {
    class Mailer {
      @Background({ name: 'send' })
      async sendMail(): Promise<void> {}
    }
    class Pager {
      @Background({ name: 'send' })
      async sendPage(): Promise<void> {}
    }

    await expect(startApp(platform, { providers: [Mailer, Pager] })).rejects.toThrow(
      /Two @Background\(\) methods are named "send": Mailer\.sendMail and Pager\.sendPage/,
    );
  });
});

describe('without the module', () => {
  it('P15: the method just runs, and currentTask() is there', async () => {
    class Mailer {
      @Background({ retry: { attempts: 5 } })
      async sendWelcome(sent: unknown[]): Promise<void> {
        const { attempt, maxAttempts, signal } = currentTask();
        sent.push([attempt, maxAttempts, signal.aborted]);
      }
    }

    const sent: unknown[] = [];
    await new Mailer().sendWelcome(sent);
    expect(sent).toEqual([[1, 1, false]]);
  });
});
