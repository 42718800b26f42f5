import type { Task } from '../../task/task.js';
import type { HeldStatus } from '../engine.js';

/** The task and those that run with it in one body. */
export function membersOf(task: Task): Task[] {
  return task.followers === undefined ? [task] : [task, ...task.followers];
}

export function countOf({ followers }: Task): number {
  return followers === undefined ? 1 : 1 + followers.length;
}

/** Makes `leader` run for all of `followers`. */
export function lead(leader: Task, followers: Task[]): void {
  leader.leader = undefined;
  leader.followers = followers;
  for (const task of followers) {
    task.place = undefined;
    task.leader = leader;
  }
}

/** Takes a task out of its batch. @returns the new leader if the task was the leader */
export function leaveMembers(task: Task): Task | undefined {
  const { leader, followers } = task;
  task.followers = undefined;
  task.leader = undefined;
  if (leader?.followers !== undefined) {
    leader.followers = leader.followers.filter((follower) => follower !== task);
  }
  const [leading, ...others] = followers ?? [];
  if (leading !== undefined) {
    lead(leading, others);
  }
  return leading;
}

export function setStatus(task: Task, status: HeldStatus): void {
  task.status = status;
  task.followers?.forEach((follower) => {
    follower.status = status;
  });
}

/** Whether other calls run in the same body, so that it cannot be stopped for one of them. */
export function isSharingItsRun({ status, leader, followers = [] }: Task): boolean {
  return status === 'running' && (leader !== undefined || followers.length > 0);
}
