import { appendFile } from 'node:fs/promises';

/** In the working directory. */
const LOG_FILE = 'log.txt';

/** One line, whatever is in it: what comes from a URL could else write lines of its own. */
export async function writeLog(line: string): Promise<void> {
  await appendFile(LOG_FILE, `${line.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, encodeURIComponent)}\n`);
}

export async function writeNotification(email: string, message = ''): Promise<void> {
  await writeLog(`notification for ${email}: ${message}`);
}
