import { createServer, type IncomingMessage, type Server } from 'node:http';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MailServer } from '../../../sample/signup/mail-server.js';
import { snippetsOf, TOUR } from '../../package/snippets.js';
import { LogBook } from '../../support/log-book.js';
import { onEachPlatform } from '../support/platforms.js';
import { listen, type RunningApp } from '../support/running-app.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The application of README and tour, as its snippets are, but for the two addresses in them. */
onEachPlatform((platform) => {
  const home = process.cwd();
  const mails = new MailServer();
  const leads: string[] = [];
  let crm: Server;
  let folder: string;
  let app: RunningApp;

  async function receive(request: IncomingMessage): Promise<void> {
    leads.push(await text(request));
  }

  async function load(name: string): Promise<Record<string, Type>> {
    return (await import(pathToFileURL(join(folder, name)).href)) as Record<string, Type>;
  }

  beforeAll(async () => {
    await mails.onModuleInit();
    crm = createServer((request, response) => {
      void receive(request).finally(() => response.end());
    });
    await once(crm.listen(0, '127.0.0.1'), 'listening');

    // Below the repository, whose packages the snippets import.
    mkdirSync(join(ROOT, 'var'), { recursive: true });
    folder = mkdtempSync(join(ROOT, 'var/readme-'));
    const pages = TOUR.map((page) => readFileSync(join(ROOT, page), 'utf8')).join('\n');
    for (const [name, code] of snippetsOf(pages)) {
      const address = `http://127.0.0.1:${(crm.address() as AddressInfo).port}`;
      const own = code
        .replace('smtp://127.0.0.1:1025', `smtp://127.0.0.1:${mails.port}`)
        .replace('https://crm.example.com', address);
      writeFileSync(join(folder, name), own);
    }
    process.chdir(folder);

    const { AppModule } = await load('app.module.ts');
    const { SignupController } = await load('signup.controller.ts');
    const { Mailer } = await load('mailer.ts');

    @Module({ imports: [AppModule], controllers: [SignupController], providers: [Mailer] })
    class ReadmeModule {}

    const log = new LogBook();
    const nest = await NestFactory.create(ReadmeModule, platform.createAdapter(), { logger: log });
    app = await listen(nest, log, {});
  });

  afterAll(async () => {
    process.chdir(home);
    rmSync(folder, { recursive: true, force: true });
    crm.close();
    await mails.onApplicationShutdown();
  });

  it('runs README and tour', async () => {
    const notified = await app.request('/send-notification/ada@example.com', { method: 'POST' });
    expect(notified.body).toContain('Notification sent in the background');
    await app.untilSettled(2);
    expect(readFileSync('audit.txt', 'utf8')).toBe('POST /send-notification/ada@example.com\n');
    expect(readFileSync('log.txt', 'utf8')).toBe(
      'notification for ada@example.com: some notification\n',
    );

    mails.refuseNext(1);
    const user = { email: 'grace@example.com' };
    const { body } = await app.request('/signup', { method: 'POST', body: user });
    expect(JSON.parse(body)).toEqual({ welcome: user.email });
    const settled = await app.untilSettled(4);
    expect(settled.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'audit completed',
      'writeNotification completed',
      'Mailer.sendWelcome completed',
      'notifySales completed',
    ]);
    expect(app.names('retrying')).toEqual(['Mailer.sendWelcome']);
    expect(mails.received.map(({ to }) => to)).toEqual([['grace@example.com']]);
    expect(leads).toEqual(['grace@example.com']);
  });
});
