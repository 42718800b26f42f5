import { appendFile } from 'node:fs/promises';

/** In the working directory. */
const LOG_FILE = 'log.txt';

export async function writeLog(line: string): Promise<void> {
  await appendFile(LOG_FILE, `${line}\n`);
}

export async function writeNotification(email: string, message = ''): Promise<void> {
  await writeLog(`notification for ${email}: ${message}`);
}
