import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Profiler } from '../../../lib/run/profiler.js';
import type { Task } from '../../../lib/task/task.js';

const taskNamed = (name: string, id = 'id'): Task => ({ name, id, attempts: 2 }) as Task;

describe('the profiler', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'profiler-'));
  });

  afterEach(() => {
    jest.restoreAllMocks();
    rmSync(directory, { recursive: true, force: true });
  });

  function profile(name: string, id?: string): Promise<{ file: string; error: unknown }> {
    return new Promise((resolve) => {
      const profiler = new Profiler((_, file, error) => resolve({ file, error }));
      profiler.start(taskNamed(name, id), directory)();
    });
  }

  it('leaves a file whose name ends, however long the name of the task is', async () => {
    const { error } = await profile(`a/${'x'.repeat(500)}`);
    expect(error).toBeUndefined();
    expect(readdirSync(directory)).toEqual([`a_${'x'.repeat(98)}-id-2.cpuprofile`]);
  });

  it('O21: leaves it where it was told to, whatever the id of the task', async () => {
    const { file } = await profile('task', '../../elsewhere/x\0');
    expect(file).toBe(join(directory, 'task-_elsewhere_x_-2.cpuprofile'));
    expect(readdirSync(directory)).toHaveLength(1);
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
      file: join(directory, 'task-id-2.cpuprofile'),
      error: missing,
    });
    expect(readdirSync(directory)).toEqual([]);
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
    expect(readdirSync(directory)).toEqual([]);
  });
});
