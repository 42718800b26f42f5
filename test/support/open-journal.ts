// Opens the journal in the folder that is its argument, and prints the result.
import { JournalStore } from '../../lib/engine/journal/journal-store.js';

const store = new JournalStore(process.argv[2] ?? '');
try {
  await store.open();
  store.takeOver();
  await store.close();
  process.stdout.write('opened');
} catch (error) {
  const { code, message } = error as Error & { code: string };
  process.stdout.write(`${code} ${message}`);
  process.exitCode = 1;
}
