import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Background } from '../../../lib/index.js';
import { Profiler } from '../../../lib/run/profiler.js';
import type { Task } from '../../../lib/task/task.js';
import { createApp } from '../support/app.js';

interface CpuProfile {
  readonly nodes: readonly { readonly callFrame: { readonly functionName: string } }[];
  readonly samples: readonly number[];
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'profiles-'));
});

afterEach(() => {
  jest.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

function burn(): void {
  // CPU time: what a busy machine gives to others is not sampled.
  const before = process.cpuUsage();
  while (process.cpuUsage(before).user < 50_000) {
    // Busy on purpose.
  }
}

describe('a method with `profile`', () => {
  it('leaves a profile of each attempt, whatever its name holds', async () => {
    @Injectable()
    class Reports {
      @Background({
        name: '../../etc/Reports build',
        profile: folder,
        retry: { attempts: 2, delay: 0 },
      })
      async build(): Promise<void> {
        burn();
        throw new Error('no');
      }
    }
    const { clock, module, logger } = await createApp({ providers: [Reports] });
    await module.get(Reports).build();
    const told = (): string[] => logger.of('log').filter((line) => line.includes('was profiled'));
    while (told().length < 2) {
      await clock.settle();
    }
    const files = readdirSync(folder).toSorted();
    expect(files).toEqual([
      expect.stringMatching(/^_etc_Reports_build-[\w-]+-1\.cpuprofile$/),
      expect.stringMatching(/^_etc_Reports_build-[\w-]+-2\.cpuprofile$/),
    ]);
    for (const file of files) {
      const text = readFileSync(join(folder, file), 'utf8');
      const { nodes, samples } = JSON.parse(text) as CpuProfile;
      expect(nodes.map(({ callFrame }) => callFrame.functionName)).toContain('build');
      expect(samples).not.toEqual([]);
    }
    // Each is written in its own time.
    expect(told().toSorted()[0]).toMatch(/was profiled: .+-1\.cpuprofile$/);
  });
});

const taskNamed = (name: string, id = 'id'): Task => ({ name, id, attempts: 2 }) as Task;

/** Profiles nothing, in the name of a task. */
function profile(name: string, id?: string): Promise<{ file: string; error: unknown }> {
  return new Promise((resolve) => {
    const profiler = new Profiler((_, file, error) => resolve({ file, error }));
    profiler.start(taskNamed(name, id), folder)();
  });
}

describe('the profiler', () => {
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
});
