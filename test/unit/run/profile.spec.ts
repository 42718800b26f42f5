import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Background, BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';
import { Profiler } from '../../../lib/run/profiler.js';
import type { Task } from '../../../lib/task/task.js';

interface CpuProfile {
  readonly nodes: readonly { readonly callFrame: { readonly functionName: string } }[];
  readonly samples: readonly number[];
}

let directory: string;

function burn(): void {
  // CPU time: what a busy machine gives to others is not sampled.
  const before = process.cpuUsage();
  while (process.cpuUsage(before).user < 50_000) {
    // Busy on purpose.
  }
}

async function profilesOf(options: { name: string; profile: string }): Promise<string[]> {
  @Injectable()
  class Reports {
    @Background({ ...options, retry: { attempts: 2, delay: 0 } })
    async build(): Promise<void> {
      burn();
      throw new Error('no');
    }
  }

  @Module({ imports: [BackgroundTasksModule.forRoot()], providers: [Reports] })
  class AppModule {}

  const printed: string[] = [];
  const print = (line: unknown): void => void printed.push(String(line));
  const module = await Test.createTestingModule({ imports: [AppModule] })
    .setLogger({ log: print, warn: print, error: () => undefined })
    .compile();
  await module.init();
  await module.get(Reports).build();
  await module.get(TaskRunner).whenIdle();
  while (printed.filter((line) => line.includes('profile')).length < 2) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  await module.close();
  return printed.filter((line) => line.includes('profile'));
}

describe('a method with `profile`', () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'profiles-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('leaves a profile of each attempt, whatever its name holds', async () => {
    const lines = await profilesOf({ name: '../../etc/Reports build', profile: directory });
    const files = (await readdir(directory)).toSorted();
    expect(files).toEqual([
      expect.stringMatching(/^_etc_Reports_build-[\w-]+-1\.cpuprofile$/),
      expect.stringMatching(/^_etc_Reports_build-[\w-]+-2\.cpuprofile$/),
    ]);
    for (const file of files) {
      const text = await readFile(join(directory, file), 'utf8');
      const { nodes, samples } = JSON.parse(text) as CpuProfile;
      expect(nodes.map(({ callFrame }) => callFrame.functionName)).toContain('build');
      expect(samples).not.toEqual([]);
    }
    // Each is written in its own time.
    expect(lines.toSorted()[0]).toMatch(/was profiled: .+-1\.cpuprofile$/);
  });

  it('runs all the same where the profile cannot be written, and says so', async () => {
    const lines = await profilesOf({ name: 'report', profile: join(directory, 'missing') });
    expect(lines[0]).toMatch(/has no profile, .+ could not be written: Error: ENOENT/);
  });
});

const taskNamed = (name: string, id = 'id'): Task => ({ name, id, attempts: 2 }) as Task;

describe('the profiler', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'profiler-'));
  });

  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(folder, { recursive: true, force: true });
  });

  function profile(name: string, id?: string): Promise<{ file: string; error: unknown }> {
    return new Promise((resolve) => {
      const profiler = new Profiler((_, file, error) => resolve({ file, error }));
      profiler.start(taskNamed(name, id), folder)();
    });
  }

  it('leaves a file whose name ends, however long the name of the task is', async () => {
    const { error } = await profile(`a/${'x'.repeat(500)}`);
    expect(error).toBeUndefined();
    expect(readdirSync(folder)).toEqual([`a_${'x'.repeat(98)}-id-2.cpuprofile`]);
  });

  it('O21: leaves it where it was told to, whatever the id of the task', async () => {
    const { file } = await profile('task', '../../elsewhere/x\0');
    expect(file).toBe(join(folder, 'task-_elsewhere_x_-2.cpuprofile'));
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it.each([0, 0o022])('O8: is for its owner only, with umask %o', async (umask) => {
    const before = process.umask(umask);
    const { file } = await profile('task').finally(() => process.umask(before));
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it('says so where this build of Node.js has no inspector', async () => {
    const missing = new Error('no inspector');
    jest.spyOn(process, 'getBuiltinModule').mockImplementation(() => {
      throw missing;
    });
    expect(await profile('task')).toEqual({
      file: join(folder, 'task-id-2.cpuprofile'),
      error: missing,
    });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('says so where sampling cannot be ended', async () => {
    const refused = new Error('not started');
    class Session {
      readonly disconnect = jest.fn();
      connect(): void {}
      post(method: string, done?: (error: unknown) => void): void {
        if (method === 'Profiler.stop') {
          done?.(refused);
        }
      }
    }
    jest.spyOn(process, 'getBuiltinModule').mockReturnValue({ Session });
    expect((await profile('task')).error).toBe(refused);
    expect(readdirSync(folder)).toEqual([]);
  });
});
