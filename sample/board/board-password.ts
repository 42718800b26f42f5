import { randomBytes } from 'node:crypto';

/** Without one in the environment there is a new one at each start, printed by `main.ts`. */
export const boardPassword = process.env['BOARD_PASSWORD'] || randomBytes(9).toString('base64url');
