// The measured application, in each of its variants. Decorators are applied by hand: it runs as it
// is, on the built package.
import 'reflect-metadata';
import { Controller, Inject, Injectable, Module, Post } from '@nestjs/common';
import { Background, BackgroundTasksModule } from '../../dist/index.js';
import { bullmq } from '../../dist/engine/bullmq/index.js';
import { journal } from '../../dist/engine/journal/index.js';

export const CONCURRENCY = 50;
export const QUEUE_NAME = 'bench';

/** For tasks of ours, whose no-op has to be counted. */
export class Jobs {
  done = 0;
  /** Called when this many tasks are done. */
  total = Infinity;
  onTotal = () => undefined;

  async noop(_id) {
    this.done += 1;
    if (this.done === this.total) {
      this.onTotal();
    }
  }
}
decorate(Jobs.prototype, 'noop', Background());
Injectable()(Jobs);

// oxlint-disable-next-line typescript/no-extraneous-class -- what it is made of differs by variant
class AppModule {}
Module({})(AppModule);

/** The engine of each variant `ours, …`. */
const ENGINES = {
  'ours, memory': () => undefined,
  'ours, journal': ({ folder }) => journal({ path: `${folder}/journal` }),
  'ours, BullMQ': ({ url, role }) => bullmq({ connection: url, role }),
  'ours, PostgreSQL': ({ url, role, prefix }) =>
    bullmq({ connection: url, role, prefix, commitTimeout: '60s' }),
};

/** @returns the imports of a variant's module */
function importsOf(variant, setting) {
  const engine = ENGINES[variant];
  return engine === undefined
    ? []
    : [
        BackgroundTasksModule.forRoot({
          engine: engine(setting),
          queues: { default: { concurrency: CONCURRENCY, maxPending: Infinity } },
        }),
      ];
}

/** @param add called for each request; if it returns a promise, the answer waits for it */
export function moduleOf(variant, setting, add) {
  class Api {
    constructor(jobs) {
      this.jobs = jobs;
    }

    post() {
      return add(this.jobs);
    }
  }
  Inject(Jobs)(Api, undefined, 0);
  decorate(Api.prototype, 'post', Post());
  Controller()(Api);
  return {
    module: AppModule,
    imports: importsOf(variant, setting),
    controllers: [Api],
    providers: [Jobs],
  };
}

function decorate(prototype, key, decorator) {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, key);
  decorator(prototype, key, descriptor);
  Object.defineProperty(prototype, key, descriptor);
}
