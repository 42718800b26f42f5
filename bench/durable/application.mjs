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
  onDone = () => undefined;

  noop(_id) {
    this.done += 1;
    this.onDone(this.done);
  }
}
decorate(Jobs.prototype, 'noop', Background());
Injectable()(Jobs);

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
  class AppModule {}
  Module({ imports: importsOf(variant, folder), controllers: [Api], providers: [Jobs] })(AppModule);
  return AppModule;
}

function decorate(prototype, key, decorator) {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, key);
  decorator(prototype, key, descriptor);
  Object.defineProperty(prototype, key, descriptor);
}
