export { journal, type JournalOptions } from './journal.js';
export type { Serializer } from '../../task/stored-call.js';
