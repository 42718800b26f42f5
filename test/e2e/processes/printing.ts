import { ConsoleLogger, type INestApplication } from '@nestjs/common';
import { portOf } from '../support/port-of.js';

/** Prints what this library has to say, for a test that reads it. */
export class PrintingLogger extends ConsoleLogger {
  override log(): void {
    // Nest's own business.
  }

  override warn(message: unknown): void {
    console.log(`warn ${String(message)}`);
  }

  override error(message: unknown): void {
    console.log(`error ${String(message)}`);
  }
}

export async function listenAndPrint(app: INestApplication): Promise<void> {
  await app.listen(0, '127.0.0.1');
  console.log(`port ${portOf(app)}`);
}
