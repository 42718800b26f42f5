import { describe, expect, it } from '@jest/globals';
import { isAnswer, isUnsent } from '../../../lib/engine/bullmq/store/store-answer.js';

describe('an error of a command', () => {
  it.each<[unknown, boolean, boolean]>([
    [undefined, false, false],
    [null, false, false],
    [new Error('Connection is closed.'), false, false],
    [{ code: -1 }, true, false],
    [{ code: 'ECONNREFUSED', syscall: 'connect' }, false, true],
    [{ code: 'ECONNRESET', syscall: 'read' }, false, false],
    [{ code: '57P03' }, false, true],
  ])('tells whether the store has answered, and whether it was sent: %j', (error, has, unsent) => {
    expect([isAnswer(error), isUnsent(error)]).toStrictEqual([has, unsent]);
  });
});
