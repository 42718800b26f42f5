import type { StoredCall } from '../../task/stored-call.js';
import { JournalRecord } from './journal-record.js';

/** What one line of the journal says. */
export type JournalLine = { readonly put: JournalRecord } | { readonly removed: readonly number[] };

type Fields = [
  order: number,
  id: string,
  name: string,
  queue: string,
  addedAt: number,
  dueAt: number,
  attempts: number,
  starts: number,
  isDead: 0 | 1,
  group: string | 0,
  chain: string | 0,
  args: string,
  rest?: Partial<Pick<StoredCall, 'options' | 'carried' | 'alsoCarried'>>,
];

/** A line holds no line break: JSON escapes them. */
export function encodeRecord(record: JournalRecord): string {
  const { order, id, name, queue, attempts, starts, isDead, group, chain, args } = record;
  const { options, carried, alsoCarried } = record;
  const fields: Fields = [
    order,
    id,
    name,
    queue,
    Math.floor(record.addedAt),
    Math.ceil(record.dueAt),
    attempts,
    starts,
    isDead ? 1 : 0,
    group === id ? 0 : group,
    chain ?? 0,
    args,
  ];
  if (options !== undefined || carried !== undefined || alsoCarried !== undefined) {
    fields.push({ options, carried, alsoCarried });
  }
  return JSON.stringify(fields);
}

/** The tasks of these orders have settled. */
export function encodeRemovals(orders: readonly number[]): string {
  return orders.join(',');
}

export function decodeLine(line: string): JournalLine {
  if (!line.startsWith('[')) {
    return { removed: line.split(',').map(Number) };
  }
  const fields = JSON.parse(line) as Fields;
  const [order, id, name, queue, addedAt, dueAt, attempts, starts, isDead] = fields;
  const [group, chain, args, rest] = fields.slice(9) as [...SliceOfFields];
  const call = {
    args,
    options: rest?.options,
    carried: rest?.carried,
    alsoCarried: rest?.alsoCarried,
  };
  const record = new JournalRecord(
    order,
    id,
    name,
    queue,
    call,
    addedAt,
    group === 0 ? id : group,
    chain === 0 ? undefined : chain,
  );
  record.dueAt = dueAt;
  record.attempts = attempts;
  record.starts = starts;
  record.isDead = isDead === 1;
  return { put: record };
}

type SliceOfFields = [Fields[9], Fields[10], Fields[11], Fields[12]?];
