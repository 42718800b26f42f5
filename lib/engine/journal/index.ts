/**
 * `import { … } from 'nestjs-background-tasks/journal'`: tasks that survive a crash on one machine,
 * without any service. Needs `lmdb`. See docs/durable.md.
 *
 * @module journal
 */

export { journal, type JournalOptions } from './journal.js';
export type { Serializer } from '../../task/stored-call.js';
