import { getHeapStatistics } from 'node:v8';

/** Figures of the whole process during an attempt, not of the task alone. */
export interface ProcessUsage {
  /** The share of the time in which the event loop was busy, from 0 to 1. */
  readonly eventLoopUtilization: number;
  /** The growth of the used heap; negative if the garbage collector ran. */
  readonly heapGrowthBytes: number;
}

/** The figures at the start, for comparison. */
export interface ProcessReading {
  // Spelled out: with browser types, a user's `performance` has no such function.
  readonly loop: { readonly idle: number; readonly active: number; readonly utilization: number };
  readonly heapBytes: number;
}

export function readProcess(): ProcessReading {
  return {
    loop: performance.eventLoopUtilization(),
    heapBytes: getHeapStatistics().used_heap_size,
  };
}

export function usageSince({ loop, heapBytes }: ProcessReading): ProcessUsage {
  return {
    eventLoopUtilization: performance.eventLoopUtilization(loop).utilization,
    heapGrowthBytes: getHeapStatistics().used_heap_size - heapBytes,
  };
}
