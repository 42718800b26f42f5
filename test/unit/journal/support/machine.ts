import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import { Injectable, type Provider, type Type } from '@nestjs/common';
import {
  Background,
  type BackgroundOptions,
  type BackgroundTasksOptions,
} from 'nestjs-background-tasks';
import { journal, type JournalOptions } from '../../../../lib/engine/journal/index.js';
import type { JournalRecord } from '../../../../lib/engine/journal/journal-record.js';
import { JournalStore } from '../../../../lib/engine/journal/journal-store.js';
import { Application } from '../../../conformance/support/application.js';
import { temporaryFolder } from '../../../support/temporary-folder.js';

export { temporaryFolder };

interface Setup extends Omit<JournalOptions, 'path'> {
  readonly options?: BackgroundTasksOptions;
  readonly providers?: Provider[];
}

/** A provider with one task, which writes down what it is called with. */
export interface Noting {
  readonly done: string[];
  work(tag: string): Promise<void>;
}

/** A class of such providers, whose task has these options. */
export function noting(options: BackgroundOptions): Type<Noting> {
  @Injectable()
  class Notes implements Noting {
    readonly done: string[] = [];

    @Background(options)
    async work(tag: string): Promise<void> {
      this.done.push(tag);
    }
  }
  return Notes;
}

const running = new Set<Application>();

/** An application with a journal at `path`, closed after the test. */
export async function start(path: string, setup: Setup = {}): Promise<Application> {
  const { options, providers, ...journalOptions } = setup;
  const engine = journal({ path, ...journalOptions });
  const app = await Application.start({ drainTimeout: 50, engine, ...options }, providers);
  running.add(app);
  return app;
}

/**
 * What a process that is killed now leaves behind, in a folder of its own. Nothing is waited for:
 * only what had been written counts. The copy is made at one go: during a slower one LMDB could write
 * over pages that are yet to be copied.
 */
export async function crashImage(path: string): Promise<string> {
  const image = await temporaryFolder();
  copyFileSync(join(path, 'tasks.mdb'), join(image, 'tasks.mdb'));
  return image;
}

/** What a process leaves behind that is killed once `work` is done. */
export async function crashed(
  work: (app: Application) => unknown,
  setup: Setup = {},
): Promise<string> {
  const path = await temporaryFolder();
  await work(await start(path, setup));
  return crashImage(path);
}

/** The same, where nothing starts before. */
export function crashedWaiting(
  work: (app: Application) => unknown,
  setup: Setup = {},
): Promise<string> {
  return crashed(async (app) => {
    await app.runner.pause();
    await work(app);
  }, setup);
}

/** Starts an application there, and waits until it has nothing left to do. */
export async function runThrough(path: string, setup: Setup = {}): Promise<Application> {
  const app = await start(path, setup);
  await app.runner.whenIdle();
  return app;
}

/** What is in a journal that nobody uses. */
export async function recordsIn(path: string): Promise<readonly JournalRecord[]> {
  const store = new JournalStore(path);
  await store.open();
  const records = store.takeOver();
  await store.close();
  return records;
}

export async function close(app: Application): Promise<void> {
  running.delete(app);
  await app.close();
}

afterEach(() => Promise.all([...running].map((app) => close(app))));
