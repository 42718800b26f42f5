import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { BackgroundTasks } from 'nestjs-background-tasks';
import { writeLog } from './log-file.js';

interface RequestWithQuery {
  readonly query: Readonly<Record<string, string | string[] | undefined>>;
}

/** Adds to the same collection before the handler does, so its line comes first. */
@Injectable()
export class FoundQueryGuard implements CanActivate {
  constructor(private readonly tasks: BackgroundTasks) {}

  canActivate(context: ExecutionContext): boolean {
    const { query } = context.switchToHttp().getRequest<RequestWithQuery>();
    // If a parameter is given twice, FastAPI takes the last value.
    const q = [query['q']].flat().at(-1);
    if (q) {
      this.tasks.addTask(writeLog, `found query: ${q}`);
    }
    return true;
  }
}
