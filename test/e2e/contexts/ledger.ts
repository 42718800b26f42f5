import { Injectable, ValidationPipe, type CanActivate } from '@nestjs/common';
import { Background, type BackgroundTasks } from 'nestjs-background-tasks';
import { Gate, turns } from '../support/time.js';

/** What has run of the tasks that handlers and their guards add. */
@Injectable()
export class Ledger {
  readonly entries: string[] = [];
  begun = new Gate();
  end = new Gate();

  readonly write = (entry: string): void => void this.entries.push(entry);

  /** By decorated methods, or into the collection that a handler was given. */
  add(place: string, tasks?: BackgroundTasks): void {
    if (tasks === undefined) {
      void this.onSuccess(`${place}: success`);
      void this.onFailure(`${place}: failure`);
    } else {
      tasks.addTask(this.write, `${place}: success`);
      tasks.addTask({ when: 'failure' }, this.write, `${place}: failure`);
    }
  }

  @Background()
  async onSuccess(entry: string): Promise<void> {
    this.write(entry);
  }

  @Background({ when: 'failure' })
  async onFailure(entry: string): Promise<void> {
    this.write(entry);
  }

  /** As if nothing had happened. */
  forget(): void {
    this.entries.length = 0;
    [this.begun, this.end] = [new Gate(), new Gate()];
  }

  async untilEnd(): Promise<void> {
    this.begun.open();
    await this.end.opened;
  }
}

@Injectable()
export class Admitting implements CanActivate {
  constructor(private readonly ledger: Ledger) {}

  canActivate(): boolean {
    this.ledger.add('guard');
    return true;
  }
}

@Injectable()
export class Refusing implements CanActivate {
  constructor(private readonly ledger: Ledger) {}

  async canActivate(): Promise<boolean> {
    this.ledger.add('guard');
    await turns(2);
    return false;
  }
}

/** Looks into everything that a handler gets. */
export const WALKING = new ValidationPipe({
  transform: true,
  whitelist: true,
  forbidNonWhitelisted: true,
  validateCustomDecorators: true,
});
