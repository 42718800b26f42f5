import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { Background } from 'nestjs-background-tasks';
import { directory } from '../uploads/directory.js';
import type { LogEvent } from './log-event.js';

/** The figures of one path. */
export interface PathFigures {
  readonly requests: number;
  readonly errors: number;
  readonly meanMs: number;
}

@Injectable()
export class EventLog {
  /** How often the file was written. */
  writes = 0;

  /** Called with one event at a time. Runs with the events of half a second, or with a hundred. */
  @Background({ name: 'analytics.record', batch: { size: 100, wait: '500ms' } })
  async record(events: LogEvent[]): Promise<void> {
    const lines = events.map((event) => `${JSON.stringify(event)}\n`);
    await appendFile(await fileName(), lines.join(''));
    this.writes += 1;
  }

  async figures(): Promise<Record<string, PathFigures>> {
    const byPath = new Map<string, LogEvent[]>();
    for (const event of await this.read()) {
      byPath.set(event.path, [...(byPath.get(event.path) ?? []), event]);
    }
    return Object.fromEntries([...byPath].map(([path, events]) => [path, figuresOf(events)]));
  }

  private async read(): Promise<LogEvent[]> {
    const text = await readFile(await fileName(), 'utf8').catch(ifMissing);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as LogEvent);
  }
}

async function fileName(): Promise<string> {
  return join(await directory('var'), 'analytics.ndjson');
}

function figuresOf(events: readonly LogEvent[]): PathFigures {
  const total = events.reduce((sum, { durationMs }) => sum + durationMs, 0);
  return {
    requests: events.length,
    errors: events.filter(({ status }) => status >= 500).length,
    meanMs: Math.round((total / events.length) * 10) / 10,
  };
}

function ifMissing(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') {
    return '';
  }
  throw error;
}
