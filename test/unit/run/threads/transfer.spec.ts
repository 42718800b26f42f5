import { describe, expect, it } from '@jest/globals';
import { transfer, transferListOf } from '../../../../lib/run/threads/transfer.js';

describe('what is handed over instead of copied', () => {
  it('is what was marked for it, whole', () => {
    const buffer = transfer(new ArrayBuffer(8));
    const view = transfer(new Uint16Array(4));
    expect(transferListOf([buffer, view])).toEqual([buffer, view.buffer]);
  });

  it('is marked once or more, and looks as before', () => {
    const view = new Uint8Array(4);
    expect(transfer(transfer(view))).toBe(view);
    expect(Object.keys(view)).toEqual(['0', '1', '2', '3']);
    expect(transferListOf([view])).toEqual([view.buffer]);
  });

  it('is marked in a way that another copy of this file knows', () => {
    const mark = Symbol.for('nestjs-background-tasks:transfer');
    expect(mark in transfer(new ArrayBuffer(1))).toBe(true);
  });

  it.each([
    ['what is not marked', new ArrayBuffer(8)],
    ['a text', 'text'],
    ['null', null],
    ['a function', () => 1],
    ['a view of a part', transfer(new Uint8Array(new ArrayBuffer(8), 2, 4))],
    ['what is empty, as it is after it was handed over', transfer(new ArrayBuffer(0))],
    ['memory that is shared', transfer(new Uint8Array(new SharedArrayBuffer(8)))],
  ])('is not %s', (_, value) => {
    expect(transferListOf([value])).toEqual([]);
  });
});
