// A Nest application whose `POST /mails/:email` adds one tiny task, in one of several ways.
//
//   node nest-request.mjs <express | fastify> <variant> <port>
import 'reflect-metadata';
import { Controller, Get, Inject, Module, Param, Post, Res, Scope } from '@nestjs/common';
import { APP_INTERCEPTOR, NestFactory } from '@nestjs/core';

const [, , adapter, variant, port] = process.argv;

let done = 0;
async function sendMail(email) {
  done += email.length > 0 ? 1 : 0;
}

const ANSWER = { message: 'Notification sent in the background' };

/** The imports and the handler of each variant. */
const VARIANTS = {
  bare: async () => ({ handle: () => ANSWER }),

  interceptor: async () => ({
    providers: [
      {
        provide: APP_INTERCEPTOR,
        useValue: { intercept: (_context, next) => next.handle() },
      },
    ],
    handle: () => ANSWER,
  }),

  floating: async () => ({
    parameters: [Res({ passthrough: true })],
    handle(email, response) {
      (response.raw ?? response).once('finish', () => {
        sendMail(email).catch(console.error);
      });
      return ANSWER;
    },
  }),

  'p-queue': async () => {
    const { default: PQueue } = await import('p-queue');
    const queue = new PQueue({ concurrency: 10 });
    return {
      parameters: [Res({ passthrough: true })],
      handle(email, response) {
        (response.raw ?? response).once('finish', () => {
          queue.add(() => sendMail(email)).catch(console.error);
        });
        return ANSWER;
      },
    };
  },

  bullmq: async () => {
    const { BullModule, Processor, WorkerHost, getQueueToken } = await import('@nestjs/bullmq');
    class MailProcessor extends WorkerHost {
      async process({ data }) {
        await sendMail(data.email);
      }
    }
    const name = `mails-${process.pid}`; // servers on the same Redis need separate queues
    Processor(name, { concurrency: 10 })(MailProcessor);
    const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) };
    return {
      imports: [BullModule.forRoot({ connection }), BullModule.registerQueue({ name })],
      providers: [MailProcessor],
      inject: getQueueToken(name),
      async handle(email) {
        await this.injected.add('send', { email }, { removeOnComplete: true });
        return ANSWER;
      },
    };
  },

  'ours, no task': async () => ({ imports: await ours(), handle: () => ANSWER }),

  'ours, @Tasks()': async () => {
    const { Tasks } = await import('nestjs-background-tasks');
    return {
      imports: await ours(),
      parameters: [Tasks()],
      handle(email, tasks) {
        tasks.addTask(sendMail, email);
        return ANSWER;
      },
    };
  },

  'ours, @Background()': async () => {
    const { Background } = await import('nestjs-background-tasks');
    class Mailer {
      async send(email) {
        await sendMail(email);
      }
    }
    decorateMethod(Mailer, 'send', Background());
    return {
      imports: await ours(),
      providers: [Mailer],
      inject: Mailer,
      async handle(email) {
        await this.injected.send(email);
        return ANSWER;
      },
    };
  },

  floor: async () => {
    const { FloorTasks, install } = await import('./request-floor.mjs');
    return {
      install,
      parameters: [FloorTasks()],
      handle(email, tasks) {
        tasks.addTask(sendMail, email);
        return ANSWER;
      },
    };
  },

  'floor, no task': async () => {
    const { install } = await import('./request-floor.mjs');
    return { install, handle: () => ANSWER };
  },

  'ours, injected': async () => {
    const { BackgroundTasks } = await import('nestjs-background-tasks');
    return {
      imports: await ours(),
      inject: BackgroundTasks,
      handle(email) {
        this.injected.addTask(sendMail, email);
        return ANSWER;
      },
    };
  },

  'request-scoped': async () => {
    class Context {}
    return {
      providers: [{ provide: Context, useClass: Context, scope: Scope.REQUEST }],
      parameters: [Res({ passthrough: true })],
      inject: Context,
      handle(email, response) {
        (response.raw ?? response).once('finish', () => {
          sendMail(email).catch(console.error);
        });
        return ANSWER;
      },
    };
  },
};

async function ours() {
  const { BackgroundTasksModule } = await import('nestjs-background-tasks');
  return [BackgroundTasksModule.forRoot()];
}

// Decorators by hand, as a compiler would apply them.
function decorateMethod(type, name, decorator) {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, name);
  const made = decorator(type.prototype, name, descriptor) ?? descriptor;
  Object.defineProperty(type.prototype, name, made);
}

const {
  imports = [],
  providers = [],
  parameters = [],
  inject,
  handle,
  install,
} = await VARIANTS[variant]();

const MailsController =
  inject === undefined
    ? class MailsController {}
    : class MailsController {
        constructor(injected) {
          this.injected = injected;
        }
      };
// Only the handlers, without anything around them.
for (const [name, value] of Object.entries({
  send: handle,
  done: () => ({ done }),
  usage: () => process.cpuUsage(),
})) {
  Object.defineProperty(MailsController.prototype, name, {
    value,
    writable: true,
    configurable: true,
  });
}

decorateMethod(MailsController, 'done', Get('done'));
decorateMethod(MailsController, 'usage', Get('usage'));
decorateMethod(MailsController, 'send', Post('mails/:email'));
Param('email')(MailsController.prototype, 'send', 0);
parameters.forEach((each, index) => each(MailsController.prototype, 'send', index + 1));
if (inject !== undefined) {
  Inject(inject)(MailsController, undefined, 0);
}
Controller()(MailsController);

const AppModule = class {};
Module({ imports, providers, controllers: [MailsController] })(AppModule);

async function createAdapter() {
  if (adapter === 'express') {
    const { ExpressAdapter } = await import('@nestjs/platform-express');
    return new ExpressAdapter();
  }
  const { FastifyAdapter } = await import('@nestjs/platform-fastify');
  return new FastifyAdapter();
}

const app = await NestFactory.create(AppModule, await createAdapter(), {
  logger: ['error', 'warn'],
});
install?.(app);
app.enableShutdownHooks();
await app.listen(Number(port), '127.0.0.1');
