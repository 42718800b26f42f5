import { getHeapStatistics } from 'node:v8';

/** Figures of the whole process while an attempt ran, not of the task alone. */
export interface ProcessUsage {
  /** The share of the time in which the event loop was busy, from 0 to 1. */
  readonly eventLoopUtilization: number;
  /** By how much the heap in use grew; negative where the garbage collector ran. */
  readonly heapGrowthBytes: number;
}

/** What a later look at the process is compared with. */
export interface ProcessReading {
  // Spelled out: where a user's types are the browser's, its `performance` has no such function.
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
