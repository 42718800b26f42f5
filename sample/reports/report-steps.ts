import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UnrecoverableError } from 'nestjs-background-tasks';
import { directory } from '../uploads/directory.js';

/** The steps pass files on: each reads what the one before has written, by the report's id. */
async function fileOf(reportId: string, step: string): Promise<string> {
  return join(await directory('var/reports'), `${reportId}.${step}`);
}

/** Stands for the query that a report begins with. */
export async function extract(reportId: string, lines: readonly string[]): Promise<void> {
  await writeFile(await fileOf(reportId, 'csv'), lines.join('\n'));
}

/** @throws UnrecoverableError for a line that is not `day,product,amount`: a retry would not help */
export async function transform(reportId: string): Promise<void> {
  const text = await readFile(await fileOf(reportId, 'csv'), 'utf8');
  const totals: Record<string, number> = {};
  for (const [index, line] of text.split('\n').entries()) {
    const [, product, amount] = /^\d{4}-\d{2}-\d{2},([\w ]+),(\d+(?:\.\d{1,2})?)$/.exec(line) ?? [];
    if (product === undefined) {
      throw new UnrecoverableError(`Line ${index + 1} is no sale: ${line}`);
    }
    totals[product] = (totals[product] ?? 0) + Math.round(Number(amount) * 100);
  }
  await writeFile(await fileOf(reportId, 'totals'), JSON.stringify(totals));
}

/** The file gets its name last, so that a report exists only when it is complete. */
export async function load(reportId: string): Promise<void> {
  const totals = await readFile(await fileOf(reportId, 'totals'), 'utf8');
  const cents = Object.entries(JSON.parse(totals) as Record<string, number>);
  const report = cents.map(([product, sum]) => ({ product, total: sum / 100 }));
  const target = await fileOf(reportId, 'json');
  await writeFile(`${target}.part`, JSON.stringify(report));
  await rename(`${target}.part`, target);
}

/** The finished report, if there is one. */
export async function readReport(reportId: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(await fileOf(reportId, 'json'), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}
