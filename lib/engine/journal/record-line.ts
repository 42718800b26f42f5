import type { StoredCall, StoredTask } from '../../task/stored-call.js';
import { checked, Field } from './fields.js';
import { JournalRecord } from './journal-record.js';

/** The version that this library writes, and the highest that it reads. */
const VERSION = 1;

type Fields = [
  version: number,
  order: number,
  addedAt: number,
  dueIn: number,
  waitMs: number,
  attempts: number,
  starts: number,
  id: string,
  name: string,
  queue: string,
  args: string,
  group: string | 0,
  chain: string | 0,
  extras?: Partial<Pick<StoredCall, 'options' | 'carried' | 'alsoCarried'>> &
    Pick<StoredTask, 'waits'>,
];

/** Assembled by hand: building an array for `JSON.stringify` takes half as long again. */
export function encodeRecord(record: JournalRecord): string {
  const { order, id, name, queue, attempts, starts, group, chain, args } = record;
  const addedAt = Math.floor(record.addedAt);
  const times = `${addedAt},${Math.ceil(record.dueAt) - addedAt},${Math.ceil(record.waitMs)}`;
  const numbers = `${VERSION},${order},${times},${attempts},${starts}`;
  const names = `${quoted(id)},${quoted(name)},${quoted(queue)},${quoted(args)}`;
  const bonds = `${group === id ? 0 : quoted(group)},${chain === undefined ? 0 : quoted(chain)}`;
  return `[${numbers},${names},${bonds}${extrasOf(record)}]`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function extrasOf({ options, carried, alsoCarried, waits }: JournalRecord): string {
  const extras = { options, carried, alsoCarried, waits };
  return Object.values(extras).every((extra) => extra === undefined)
    ? ''
    : `,${JSON.stringify(extras)}`;
}

/** @throws Error that says what is wrong with the line */
export function decodeRecord(line: string, now: number): JournalRecord {
  const fields = JSON.parse(line) as Fields;
  if (Array.isArray(fields) && fields[0] > VERSION) {
    throw new Error(
      `a later version of the library wrote it (${fields[0]}, this one knows ${VERSION})`,
    );
  }
  const [, order, added, dueIn, waitMs, attempts, starts, id, name, queue] = asFields(fields);
  const [, , , , , , , , , , args, group, chain, extras] = fields;
  checked(
    { order, addedAt: added, dueIn, waitMs, attempts, starts, id, name, queue, args, group, chain },
    {
      order: Field.count,
      addedAt: Field.time,
      dueIn: Field.time,
      waitMs: Field.time,
      attempts: Field.count,
      starts: Field.count,
      id: Field.text,
      name: Field.text,
      queue: Field.text,
      args: Field.text,
      group: isBond,
      chain: isBond,
    },
  );
  const call = {
    args,
    options: extras?.options,
    carried: extras?.carried,
    alsoCarried: extras?.alsoCarried,
  };
  // The clock may have been set back.
  const addedAt = Math.min(added, now);
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
  record.waitMs = waitMs;
  record.dueAt = Math.min(added + dueIn, now + waitMs);
  record.attempts = attempts;
  record.waits = extras?.waits;
  record.starts = starts;
  return record;
}

function asFields(fields: Fields): Fields {
  if (!Array.isArray(fields)) {
    throw new Error('it is not a record');
  }
  return fields;
}

function isBond(value: unknown): boolean {
  return value === 0 || Field.text(value);
}
