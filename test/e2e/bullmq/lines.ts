import type { Outcome } from 'nestjs-background-tasks';
import type { TestApp } from './app.js';

const LENGTH = 12;

/** Adds so many lines of 12 tasks, of which some fail at first, all at once. @returns how each task ended */
export function runLines({ tasks, work }: TestApp, count: number): Promise<Outcome[]> {
  const outcomes = range(count).flatMap((line) => {
    const chain = tasks.chain();
    return range(LENGTH).map((place) =>
      chain.addTask(work.fail, `${line} ${place}`, failuresOf(line, place)).whenSettled(),
    );
  });
  return Promise.all(outcomes);
}

/** What the processes of worker-process.ts write of a line, where each task completes once and in its turn. */
export function stepsOf(line: number): string[] {
  return range(LENGTH).flatMap((place) => {
    const last = failuresOf(line, place) + 1;
    return range(last).flatMap((before) => [
      `${place} begins ${before + 1}`,
      `${place} ${before + 1 === last ? 'completes' : 'fails'} ${before + 1}`,
    ]);
  });
}

/** What of the words of a file's lines was written of a line. */
export function writtenOf(line: number, ran: readonly string[][]): string[] {
  return ran.filter(([, its]) => its === `${line}`).map(([, , ...step]) => step.join(' '));
}

export function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

function failuresOf(line: number, place: number): number {
  return (line + place) % 3;
}
