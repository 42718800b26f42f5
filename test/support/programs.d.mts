export type Program = 'redis-server' | 'postgres' | 'chromium';

export function postgresFolder(): string | undefined;
export function findProgram(name: Program): string | undefined;
export function missingPrograms(): { names: Program[]; packages: string[] };
