import { describe, expect, it } from '@jest/globals';
import {
  isSharingItsRun,
  lead,
  leaveMembers,
  membersOf,
  setStatus,
} from '../../../lib/engine/memory/members.js';
import type { Task } from '../../../lib/task/task.js';
import { bareTask } from '../support/tasks.js';

function batchOf(...names: string[]): Task[] {
  const tasks = names.map((name) => bareTask(name));
  const [leader, ...followers] = tasks;
  lead(leader, followers);
  return tasks;
}

describe('calls that run in one body', () => {
  it('stay together where one leaves that does not lead them', () => {
    const [first, second, third] = batchOf('1', '2', '3');
    expect(leaveMembers(second)).toBeUndefined();
    expect(membersOf(first)).toEqual([first, third]);
    expect([second.leader, third.leader]).toEqual([undefined, first]);
  });

  it('are led by the next where the first leaves', () => {
    const [first, second, third] = batchOf('1', '2', '3');
    expect(leaveMembers(first)).toBe(second);
    expect(membersOf(first)).toEqual([first]);
    expect(membersOf(second)).toEqual([second, third]);
    expect([second.leader, third.leader]).toEqual([undefined, second]);
  });

  it('are one where there is no other, which leads nobody', () => {
    const task = bareTask('1');
    expect(leaveMembers(task)).toBeUndefined();
    expect(membersOf(task)).toEqual([task]);
  });

  it('share their run, and cannot be stopped one by one, only while they run', () => {
    const [first, second] = batchOf('1', '2');
    const alone = bareTask('alone');
    for (const status of ['queued', 'running', 'retrying'] as const) {
      [first, alone].forEach((task) => setStatus(task, status));
      const isRunning = status === 'running';
      expect([first, second, alone].map((task) => isSharingItsRun(task))).toEqual([
        isRunning,
        isRunning,
        false,
      ]);
    }
    const [last] = batchOf('without followers');
    setStatus(last, 'running');
    expect(isSharingItsRun(last)).toBe(false);
  });
});
