import { Writable } from 'node:stream';
import { NestFactory } from '@nestjs/core';
import { WinstonModule, utilities } from 'nest-winston';
import { TaskRunner } from 'nestjs-background-tasks';
import winston from 'winston';
import { rootModule } from '../support/root-module.js';

// A task fails under winston: every line is printed in each of these formats.
const { json, simple, printf, combine } = winston.format;
const formats: Record<string, winston.Logform.Format> = {
  json: json(),
  simple: simple(),
  printf: printf(({ message, stack }) => `${message as string}\n${stack as string}`),
  nestLike: utilities.format.nestLike('app', { colors: false, prettyPrint: false }),
};

for (const [name, format] of Object.entries(formats)) {
  const stream = new Writable({
    write(text: Buffer, _encoding, done) {
      console.log(JSON.stringify([name, text.toString()]));
      done();
    },
  });
  const logger = WinstonModule.createLogger({
    format: combine(format),
    transports: [new winston.transports.Stream({ stream })],
  });
  const app = await NestFactory.createApplicationContext(rootModule({}), { logger });
  const runner = app.get(TaskRunner);
  const config = { headers: { authorization: 'Bearer s3cret' } };
  runner.addTask({ name: 'broken' }, () => {
    throw Object.assign(new TypeError('none at redis://u:pw@host'), { code: 'E_NONE', config });
  });
  await runner.whenIdle();
  await app.close();
}
