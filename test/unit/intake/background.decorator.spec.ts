/* oxlint-disable typescript/unbound-method -- methods are looked at here, not called */
import 'reflect-metadata';
import { Controller, Get, Injectable, Post, SetMetadata, type Type } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import { Background, type BackgroundOptions } from '../../../lib/index.js';
import { createApp } from '../support/app.js';

/** As JavaScript sees it: the types would not allow what is refused here. */
const Loose = (options?: unknown) =>
  Background(options as BackgroundOptions) as unknown as PropertyDecorator & MethodDecorator;

/** As `@Background` stands without its parentheses: not every compiler looks at types. */
const Bare = Background as unknown as PropertyDecorator & MethodDecorator;

const MessagePattern = SetMetadata('microservices:pattern', ['signed-up']);

describe('@Background() where it cannot work', () => {
  it.each<[string, () => unknown, string]>([
    [
      'a getter',
      () => {
        class Mailer {
          @Loose()
          get subject(): string {
            return 'Welcome';
          }
        }
        return Mailer;
      },
      '@Background() on Mailer.subject: it stands on an accessor; only a method can be called.',
    ],
    [
      'a setter',
      () => {
        class Mailer {
          @Loose()
          set subject(_: string) {
            // Never called.
          }
        }
        return Mailer;
      },
      '@Background() on Mailer.subject: it stands on an accessor; only a method can be called.',
    ],
    [
      'a property',
      () => {
        class Mailer {
          @Loose()
          subject = 'Welcome';
        }
        return Mailer;
      },
      '@Background() on Mailer.subject: it stands on a property; only a method can be called.',
    ],
    [
      'a property that holds a function',
      () => {
        class Mailer {
          @Loose()
          send = (): void => undefined;
        }
        return Mailer;
      },
      '@Background() on Mailer.send: it stands on a property; only a method can be called.',
    ],
    [
      'a static method',
      () => {
        class Mailer {
          @Loose()
          static send(): void {
            // Never called.
          }

          sendNow(): void {
            // Never called.
          }
        }
        return Mailer;
      },
      '@Background() on Mailer.send: a static method has no provider to run on.',
    ],
    [
      'a method, without its parentheses',
      () => {
        class Mailer {
          @Bare
          send(): void {
            // Never called.
          }
        }
        return Mailer;
      },
      '@Background() on Mailer.send: its parentheses are missing. Write @Background(), also where ' +
        'it has no options.',
    ],
    [
      'a property, without its parentheses',
      () => {
        class Mailer {
          @Bare
          subject = 'Welcome';
        }
        return Mailer;
      },
      '@Background() on Mailer.subject: its parentheses are missing. Write @Background(), also ' +
        'where it has no options.',
    ],
    [
      'a controller’s route, above it',
      () => {
        class Signup {
          @Loose()
          @Post()
          signUp(): void {
            // Never called.
          }
        }
        return Signup;
      },
      '@Background() on Signup.signUp: a handler has to answer its request. ' +
        'Decorate a method of a provider and call it from here.',
    ],
    [
      'a handler of messages, above it',
      () => {
        class Signup {
          @Loose()
          @MessagePattern
          signedUp(): void {
            // Never called.
          }
        }
        return Signup;
      },
      '@Background() on Signup.signedUp: a handler has to answer its request. ' +
        'Decorate a method of a provider and call it from here.',
    ],
  ])('is refused at once: %s', (_, declare, message) => {
    expect(declare).toThrow(
      expect.objectContaining({
        name: 'BackgroundMethodError',
        code: 'BGT_BACKGROUND_METHOD',
        message,
      }),
    );
  });

  it.each<[string, () => Type]>([
    [
      'a controller’s route, below it',
      () => {
        @Controller()
        class Signup {
          @Get()
          @Loose()
          signUp(): void {
            // Never called.
          }
        }
        return Signup;
      },
    ],
    [
      'a handler of messages, below it',
      () => {
        @Controller()
        class Signup {
          @MessagePattern
          @Loose()
          signUp(): void {
            // Never called.
          }
        }
        return Signup;
      },
    ],
  ])('is refused at start-up: %s', async (_, declare) => {
    await expect(createApp({ controllers: [declare()] })).rejects.toMatchObject({
      name: 'BackgroundMethodError',
      message:
        '@Background() on Signup.signUp: a handler has to answer its request. ' +
        'Decorate a method of a provider and call it from here.',
    });
  });
});

describe('the options of @Background()', () => {
  it.each<[unknown, string]>([
    [
      { attempts: 3 },
      'Unknown option "attempts" of @Background() on Mailer.send. Write retry: { attempts: 3 }.',
    ],
    [
      { queu: 'mails' },
      'Unknown option "queu" of @Background() on Mailer.send. Did you mean "queue"?',
    ],
    [
      { retry: { attempts: 0 } },
      'Option "retry.attempts" of @Background() on Mailer.send: expected a whole number from 1 or Infinity, got 0.',
    ],
    [
      { timeout: 'soon' },
      'Option "timeout" of @Background() on Mailer.send: expected milliseconds or a string such as ' +
        "'500ms', '30s', '5m', '2h', '1d', got 'soon'.",
    ],
    ['mails', "The options of @Background() on Mailer.send: expected a plain object, got 'mails'."],
    [null, 'The options of @Background() on Mailer.send: expected a plain object, got null.'],
  ])('are checked where they stand: %p', (options, message) => {
    const declare = () => {
      class Mailer {
        @Loose(options)
        send(): void {
          // Never called.
        }
      }
      return Mailer;
    };
    expect(declare).toThrow(message);
  });

  it('that name an unknown queue are refused at start-up, with the method', async () => {
    @Injectable()
    class Mailer {
      @Background({ queue: 'email' })
      send(): void {
        // Never called.
      }
    }
    const start = createApp({ providers: [Mailer] }, { queues: { emails: {} } });
    await expect(start).rejects.toMatchObject({
      code: 'BGT_UNKNOWN_QUEUE',
      message:
        '@Background() on Mailer.send: unknown queue "email". Did you mean "emails"? ' +
        'Queues are declared in BackgroundTasksModule.forRoot({ queues: { … } }).',
    });
  });

  it('that lack attempts are refused at start-up where no wider level has them', async () => {
    @Injectable()
    class Mailer {
      @Background({ retry: { delay: '5s' } })
      send(): void {
        // Never called.
      }
    }
    await expect(createApp({ providers: [Mailer] })).rejects.toMatchObject({
      code: 'BGT_INVALID_OPTION',
      path: '@Background() on Mailer.send.retry.attempts',
    });
    await expect(
      createApp({ providers: [Mailer] }, { retry: { attempts: 2 } }),
    ).resolves.toBeDefined();
  });
});

describe('what other decorators left on a method', () => {
  const Below = SetMetadata('below', 1);
  const Above = SetMetadata('above', 2);

  class Mailer {
    @Above
    @Background()
    @Below
    async send(_to: string, _subject: string): Promise<void> {
      // Nothing to do.
    }
  }
  const { send } = Mailer.prototype;

  it('P14: is there still, whether they stand above or below', () => {
    expect(Reflect.getMetadata('below', send)).toBe(1);
    expect(Reflect.getMetadata('above', send)).toBe(2);
  });

  it('keeps name and length', () => {
    expect({ name: send.name, length: send.length }).toEqual({ name: 'send', length: 2 });
  });

  it('keeps properties of the function, symbols included', () => {
    const key = Symbol('mark');
    const Mark: MethodDecorator = (_target, _key, descriptor) => {
      Object.assign(descriptor.value as object, { mark: 1, [key]: 2 });
    };
    class Marked {
      @Background()
      @Mark
      send(): void {
        // Nothing to do.
      }
    }
    expect(Object.getOwnPropertyDescriptors(Marked.prototype.send)).toMatchObject({
      mark: { value: 1 },
      [key]: { value: 2 },
    });
  });

  it('does not change the property: still writable, configurable, not enumerable', () => {
    expect(Object.getOwnPropertyDescriptor(Mailer.prototype, 'send')).toMatchObject({
      writable: true,
      configurable: true,
      enumerable: false,
    });
  });
});
