import type { StoredCall, StoredTask } from '../../task/stored-call.js';
import { JournalRecord } from './journal-record.js';

const State = { waiting: 0, dead: 1 } as const;
type State = (typeof State)[keyof typeof State];

type Fields = [
  order: number,
  addedAt: number,
  dueIn: number,
  attempts: number,
  starts: number,
  state: State,
  id: string,
  name: string,
  queue: string,
  args: string,
  group: string | 0,
  chain: string | 0,
  extras?: Partial<Pick<StoredCall, 'options' | 'carried' | 'alsoCarried'>> &
    Pick<StoredTask, 'waits'>,
];

/** Put together by hand: to make an array for `JSON.stringify` first takes half as long again. */
export function encodeRecord(record: JournalRecord): string {
  const { order, id, name, queue, attempts, starts, group, chain, args } = record;
  const addedAt = Math.floor(record.addedAt);
  const dueIn = Math.ceil(record.dueAt) - addedAt;
  const numbers = `${order},${addedAt},${dueIn},${attempts},${starts},${record.isDead ? State.dead : State.waiting}`;
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

export function decodeRecord(line: string): JournalRecord {
  const fields = JSON.parse(line) as Fields;
  const [order, addedAt, dueIn, attempts, starts, state, id, name, queue, args] = fields;
  const [, , , , , , , , , , group, chain, extras] = fields;
  const call = {
    args,
    options: extras?.options,
    carried: extras?.carried,
    alsoCarried: extras?.alsoCarried,
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
  record.dueAt = addedAt + dueIn;
  record.attempts = attempts;
  record.waits = extras?.waits;
  record.starts = starts;
  record.isDead = state === State.dead;
  return record;
}
