import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { Background, BackgroundTasksModule, TaskRunner } from 'nestjs-background-tasks';

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
