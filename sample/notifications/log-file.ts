import { appendFile } from 'node:fs/promises';

const LOG_FILE = 'log.txt';

/** One line per message: text from a URL could otherwise add lines of its own. */
export async function writeLog(line: string): Promise<void> {
  await appendFile(LOG_FILE, `${line.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, encodeURIComponent)}\n`);
}

export async function writeNotification(email: string, message = ''): Promise<void> {
  await writeLog(`notification for ${email}: ${message}`);
}
