/* oxlint-disable typescript/unbound-method -- methods are looked at here, not called */
import 'reflect-metadata';
import { Controller, Get, Injectable, Post, SetMetadata } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { Background, type BackgroundOptions } from '../../../lib/index.js';
import { createApp } from '../support/app.js';

/** As JavaScript sees it: the types would not allow what is refused here. */
const Loose = (options?: unknown) =>
  Background(options as BackgroundOptions) as unknown as PropertyDecorator & MethodDecorator;

/** As `@Background` stands without its parentheses: not every compiler looks at types. */
const Bare = Background as unknown as PropertyDecorator & MethodDecorator;

const MessagePattern = SetMetadata('microservices:pattern', ['signed-up']);

/** What a class may hold beside methods that can be tasks. */
class Members {
  static send(): void {}

  get subject(): string {
    return 'Welcome';
  }

  send(): void {}

  @Post()
  signUp(): void {}

  @MessagePattern
  signedUp(): void {}

  async *steps(): AsyncGenerator<void> {}
}

/** What `decorator` says where it stands on a member of {@link Members}, above all others. */
function standOn(target: object, key: string, decorator: PropertyDecorator & MethodDecorator) {
  const descriptor = Object.getOwnPropertyDescriptor(target, key);
  return () => decorator(target, key, descriptor as TypedPropertyDescriptor<never>);
}

class Twice {
  @Background()
  send(): void {}
}

const HANDLER =
  'a handler has to answer its request. Decorate a method of a provider and call it from here.';

describe('@Background() in a wrong place', () => {
  const { prototype } = Members;

  it.each<[string, () => unknown, string]>([
    [
      'a getter',
      standOn(prototype, 'subject', Loose()),
      'Members.subject: it decorates an accessor, and works only on methods.',
    ],
    [
      'a property',
      standOn(prototype, 'nowhere', Loose()),
      'Members.nowhere: it decorates a property, and works only on methods.',
    ],
    [
      'a static method',
      standOn(Members, 'send', Loose()),
      'Members.send: a static method has no provider to run on.',
    ],
    [
      'a generator',
      standOn(prototype, 'steps', Loose()),
      'Members.steps: a generator runs only while it is read. Call it from an async method, and decorate that.',
    ],
    [
      'a method, without its parentheses',
      standOn(prototype, 'send', Bare),
      'Members.send: the parentheses are missing. Write @Background(), even without options.',
    ],
    [
      'a method that has it already',
      standOn(Twice.prototype, 'send', Loose()),
      'Twice.send: it is decorated already. Put all options into one.',
    ],
    ['a route, above it', standOn(prototype, 'signUp', Loose()), `Members.signUp: ${HANDLER}`],
    [
      'a handler of messages, above it',
      standOn(prototype, 'signedUp', Loose()),
      `Members.signedUp: ${HANDLER}`,
    ],
  ])('is refused at once: %s', (_, declare, message) => {
    expect(declare).toThrow(
      expect.objectContaining({
        name: 'BackgroundMethodError',
        code: 'BGT_BACKGROUND_METHOD',
        message: `@Background() on ${message}`,
      }),
    );
  });

  it('is refused at start-up: a route, below it', async () => {
    @Controller()
    class Signup {
      @Get()
      @Loose()
      signUp(): void {}
    }
    await expect(createApp({ controllers: [Signup] })).rejects.toMatchObject({
      name: 'BackgroundMethodError',
      message: `@Background() on Signup.signUp: ${HANDLER}`,
    });
  });
});

describe('the options of @Background()', () => {
  it.each<[unknown, string]>([
    [
      { attempts: 3 },
      'Unknown option "attempts" of @Background() on Members.send. Write retry: { attempts: 3 }.',
    ],
    [
      { queu: 'mails' },
      'Unknown option "queu" of @Background() on Members.send. Did you mean "queue"?',
    ],
    [
      { retry: { attempts: 0 } },
      'Option "retry.attempts" of @Background() on Members.send: expected a whole number from 1 or Infinity, got 0.',
    ],
    [
      'mails',
      "The options of @Background() on Members.send: expected a plain object, got 'mails'.",
    ],
  ])('are checked where they stand: %p', (options, message) => {
    expect(standOn(Members.prototype, 'send', Loose(options))).toThrow(message);
  });

  it('are refused at start-up if they name an unknown queue', async () => {
    @Injectable()
    class Mailer {
      @Background({ queue: 'email' })
      send(): void {}
    }
    const start = createApp({ providers: [Mailer] }, { queues: { emails: {} } });
    await expect(start).rejects.toMatchObject({
      code: 'BGT_UNKNOWN_QUEUE',
      message:
        '@Background() on Mailer.send: unknown queue "email". Did you mean "emails"? ' +
        'Queues are declared in BackgroundTasksModule.forRoot({ queues: { … } }).',
    });
  });
});

describe('metadata of other decorators on a method', () => {
  const Below = SetMetadata('below', 1);
  const Above = SetMetadata('above', 2);

  class Mailer {
    @Above
    @Background()
    @Below
    async send(): Promise<void> {}
  }
  const { send } = Mailer.prototype;

  it('P14: is kept, whether they stand above or below', () => {
    expect(Reflect.getMetadata('below', send)).toBe(1);
    expect(Reflect.getMetadata('above', send)).toBe(2);
  });

  it('is kept as properties of the function, symbols included', () => {
    const key = Symbol('mark');
    const Mark: MethodDecorator = (_target, _key, descriptor) => {
      Object.assign(descriptor.value as object, { mark: 1, [key]: 2 });
    };
    class Marked {
      @Background()
      @Mark
      send(): void {}
    }
    expect(Object.getOwnPropertyDescriptors(Marked.prototype.send)).toMatchObject({
      mark: { value: 1 },
      [key]: { value: 2 },
    });
  });
});
