import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { describeWith } from '../../support/describe-with.js';
import { eventually } from '../../support/eventually.js';
import { temporaryFolder } from '../../support/temporary-folder.js';
import { findProgram } from '../../support/programs.mjs';
import { PasswordGuard } from '../../../sample/board/password.guard.js';
import { OtherQueue, startBoard, type BoardApp } from './board-app.js';

/** Shorter than the limit of a test: what fails says what it has waited for. */
const PATIENCE_MS = 60_000;

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Names that lead here: browsers trust no plain HTTP but that of localhost.
  '--host-resolver-rules=MAP *.test 127.0.0.1',
];

describeWith('chromium', 'the board in a real browser', () => {
  let browser: BrowserContext;
  let board: BoardApp;

  const boardAt = (host: string): string => board.url.replace('127.0.0.1', host);
  const isPaused = async (): Promise<boolean | undefined> =>
    (await board.runner.stats()).queues.default?.isPaused;

  beforeAll(async () => {
    browser = await chromium.launchPersistentContext(await temporaryFolder(), {
      executablePath: findProgram('chromium'),
      headless: true,
      timeout: PATIENCE_MS,
      args: ARGS,
      viewport: { width: 1280, height: 860 },
    });
    browser.setDefaultTimeout(PATIENCE_MS);
  });
  afterEach(async () => {
    await Promise.all(browser.pages().map((page) => page.close()));
    // A browser keeps connections at hand that it never uses.
    (board.app.getHttpServer() as Server).closeAllConnections();
    await board.app.close();
  });
  afterAll(() => browser.close());

  // What the platforms answer is the same: board.e2e-spec.ts.
  it('shows a failed task and its stack, and retries it until it completes', async () => {
    board = await startBoard('Express');
    await fetch(`${board.url}/users`, { method: 'POST' });
    const page = await browser.newPage();
    const problems: string[] = [];
    page.on('pageerror', (error) => problems.push(String(error)));

    await page.goto(`${board.url}/tasks/`);
    await page.getByRole('link', { name: 'emails' }).first().click();
    const [task] = await board.runner.list({ status: 'failed' });
    await page
      .getByText(task?.id ?? '')
      .first()
      .click();
    await page.waitForURL(`**/tasks/queue/emails/${task?.id}*`);

    // Markup in arguments, errors and logs is text.
    const tab = (name: string): Promise<void> =>
      page
        .getByRole('button', { name, exact: true })
        .or(page.getByRole('tab', { name }))
        .first()
        .click();
    await tab('Data');
    await page
      .getByText(/<script>/)
      .first()
      .waitFor();
    await tab('Error');
    await page
      .getByText(/at Mailer\.sendWelcome/)
      .first()
      .waitFor();
    await page
      .getByText(/no connection for <img src=x/)
      .first()
      .waitFor();
    await tab('Logs');
    await page.getByText('connecting <b>to</b> the mail server').waitFor();
    expect(await page.locator('img[src="x"]').count()).toBe(0);
    expect(await page.title()).not.toBe('hacked');

    board.mailer.isBroken = false;
    // The buttons of a card have no names, but tooltips.
    const retry = page.locator('main button:not([role=tab])').first();
    await retry.hover();
    await page.getByText('Retry', { exact: true }).waitFor();
    await retry.click();
    await page.getByRole('button', { name: /confirm/i }).click();
    await eventually(async () =>
      expect(await board.runner.counts('emails')).toMatchObject({ failed: 0 }),
    );
    await board.runner.whenIdle();
    await page.goto(`${board.url}/tasks/queue/emails?status=completed`);
    await page.getByText('Mailer.sendWelcome').first().waitFor();
    expect(await board.runner.counts('emails')).toMatchObject({ failed: 0, completed: 1 });
    expect(problems).toEqual([]);
  });

  describe('for a visitor of other sites', () => {
    const platform = 'Fastify';
    let foreign: Server;
    let page: Page;

    beforeEach(async () => {
      foreign = createServer((_, response) =>
        response.setHeader('content-type', 'text/html').end('<title>evil</title>'),
      ).listen(0, '127.0.0.1');
      await once(foreign, 'listening');
      page = await browser.newPage();
    });
    afterEach(async () => {
      foreign.closeAllConnections();
      foreign.close();
      await once(foreign, 'close');
    });

    const foreignPage = (host: string): string =>
      `http://${host}:${(foreign.address() as AddressInfo).port}/`;

    /** Resolves with what a page gets when it sends this; a refusal of the browser is one, too. */
    const send = (url: string, method: string): Promise<number | string> =>
      page.evaluate(
        ([to, by]) =>
          fetch(to, { method: by, credentials: 'include' }).then(
            ({ status }) => status,
            (error) => String(error),
          ),
        [url, method] as const,
      );

    it('O5: does nothing for a page of another site or port, and shows it nothing', async () => {
      board = await startBoard(platform, { guard: () => true });
      for (const [from, to] of [
        ['evil.test', 'board.test'],
        ['evil.test', '127.0.0.1'],
        ['127.0.0.1', '127.0.0.1'],
      ] as const) {
        await page.goto(foreignPage(from));
        const api = `${boardAt(to)}/tasks/api/queues`;
        expect(await send(`${api}/default/pause`, 'PUT')).not.toBe(200);
        expect(await send(`${api}?activeQueue=default`, 'GET')).not.toBe(200);
      }
      expect(await isPaused()).toBe(false);
    });

    it('O5: adds nothing for a form of another site, over http or on this machine', async () => {
      const other = new OtherQueue();
      board = await startBoard(platform, { guard: () => true, adapters: [other] });
      for (const to of ['board.test', '127.0.0.1']) {
        await page.goto(foreignPage('evil.test'));
        const answered = page.waitForResponse('**/add');
        await page.setContent(
          `<form method="post" action="${boardAt(to)}/tasks/api/queues/other/add">` +
            '<input name="name" value="forged"></form><script>document.forms[0].submit()</script>',
        );
        expect((await answered).status()).toBe(403);
      }
      expect(other.done).toEqual([]);
    });

    it('O5: opens from a link on another site, and does what its own page asks for', async () => {
      board = await startBoard(platform, { guard: () => true });
      await page.goto(foreignPage('evil.test'));
      await page.setContent(`<a href="${boardAt('board.test')}/tasks/">tasks</a>`);
      await page.getByRole('link').click();
      await page.getByText('emails').first().waitFor();
      expect(await send(`${boardAt('board.test')}/tasks/api/queues/default/pause`, 'PUT')).toBe(
        200,
      );
      expect(await isPaused()).toBe(true);
    });

    it('O6: asks a browser for a password, and lets in whoever knows it', async () => {
      board = await startBoard(platform, { guard: new PasswordGuard('secret') });
      // It has asked for a password, and nobody is there to give one.
      // Its own page: the browser goes on to one that tells of the error, whenever it comes to that.
      const refused = (await browser.newPage()).goto(`${board.url}/tasks/`);
      await expect(refused).rejects.toThrow('INVALID_AUTH_CREDENTIALS');
      const admin = board.url.replace('//', '//admin:secret@');
      expect((await page.goto(`${admin}/tasks/`))?.status()).toBe(200);
      // From here on the browser sends it by itself: for other sites, too.
      await page.goto(`${board.url}/tasks/`);
      await page.getByText('emails').first().waitFor();
      await page.goto(foreignPage('evil.test'));
      expect(await send(`${board.url}/tasks/api/queues/default/pause`, 'PUT')).not.toBe(200);
      expect(await isPaused()).toBe(false);
    });
  });
});
