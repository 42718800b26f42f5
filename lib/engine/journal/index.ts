export { journal, type JournalOptions } from './journal.js';
