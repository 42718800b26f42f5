import { randomBytes } from 'node:crypto';

/** Without one in the environment, each start makes a new one, which `main.ts` prints. */
export const boardPassword = process.env['BOARD_PASSWORD'] || randomBytes(9).toString('base64url');
