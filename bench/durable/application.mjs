// The application that is measured, in the variants that are compared. Decorators are applied by
// hand: it runs as it is, on the built package.
import 'reflect-metadata';
import { Controller, Inject, Injectable, Module, Post } from '@nestjs/common';
import { Background, BackgroundTasksModule } from '../../dist/index.js';
import { journal } from '../../dist/engine/journal/index.js';

export const CONCURRENCY = 50;
export const QUEUE_NAME = 'bench';

/** For tasks of ours: what the no-op has to do is to be counted. */
export class Jobs {
  done = 0;

  async noop(_id) {
    this.done += 1;
  }
}
decorate(Jobs.prototype, 'noop', Background());
Injectable()(Jobs);

// oxlint-disable-next-line typescript/no-extraneous-class -- what it is made of differs by variant
class AppModule {}
Module({})(AppModule);

/** @returns what a variant's module imports */
export function importsOf(variant, folder) {
  const engine = { memory: undefined, journal: journal({ path: `${folder}/journal` }) }[variant];
  return variant === 'memory' || variant === 'journal'
    ? [
        BackgroundTasksModule.forRoot({
          engine,
          queues: { default: { concurrency: CONCURRENCY, maxPending: Infinity } },
        }),
      ]
    : [];
}

/** @param add called for each request, may return a promise: the answer waits for it */
export function moduleOf(variant, folder, add) {
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
    imports: importsOf(variant, folder),
    controllers: [Api],
    providers: [Jobs],
  };
}

function decorate(prototype, key, decorator) {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, key);
  decorator(prototype, key, descriptor);
  Object.defineProperty(prototype, key, descriptor);
}
