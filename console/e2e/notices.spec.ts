// Notices and members of projects on the account page, against a real server with real receivers: a mail server on the port that
// HW_MAIL names, where the server sends its mail, and a receiver of calls.
import { createHmac } from 'node:crypto';
import { createServer as createHttp, type IncomingHttpHeaders } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';

import { expect, test, type Page } from '@playwright/test';

import { look } from './look';
import { call, tokenOf } from './seed';
import { signIn } from './sign-in';

test.skip(!process.env.HW_URL, 'needs a real server');

const PASSWORD = 'a password for tests';
const name = `told-${Date.now().toString(36)}`;
const [owner, lead, mate] = [`${name}-owner`, `${name}-lead`, `${name}-mate`];

test.beforeAll(async () => {
  const root = await tokenOf(process.env.HW_USER ?? '', process.env.HW_PASSWORD ?? '');
  await call(root, 'POST', '/v1/tenants', { name });
  await call(root, 'POST', `/v1/tenants/${name}/wallet/top-ups`, { amount: '100', memo: 'first payment' });
  for (const [user, role] of [[owner, 'owner'], [lead, 'member'], [mate, 'member']] as const) {
    await call(root, 'POST', '/v1/users', { tenant: name, name: user, role, password: PASSWORD });
  }
});

const heading = (page: Page) => page.locator('.ways');

interface Call {
  headers: IncomingHttpHeaders;
  body: string;
}

/** A receiver of calls; answers 200. */
async function receiver(): Promise<{ url: string; calls: Call[]; close: () => void }> {
  const calls: Call[] = [];
  const server = createHttp((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      calls.push({ headers: request.headers, body });
      response.end();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/in`, calls, close: () => server.close() };
}

/** A mail server that takes everything. */
async function mailbox(port: number): Promise<{ mails: string[]; close: () => void }> {
  const mails: string[] = [];
  const server = createServer((socket) => {
    let [read, mail] = ['', undefined as string | undefined];
    socket.write('220 receiver\r\n');
    socket.on('data', (piece) => {
      read += piece.toString();
      for (let end = read.indexOf('\r\n'); end >= 0; end = read.indexOf('\r\n')) {
        const line = read.slice(0, end);
        read = read.slice(end + 2);
        if (mail !== undefined) {
          if (line !== '.') {
            mail += `${line}\n`;
            continue;
          }
          mails.push(mail);
          mail = undefined;
        } else if (line === 'DATA') {
          mail = '';
          socket.write('354 go on\r\n');
          continue;
        }
        socket.write(line === 'QUIT' ? '221 bye\r\n' : '250 ok\r\n');
      }
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done));
  return { mails, close: () => server.close() };
}

test('a webhook is added, its secret shown once, tried out and called when a job ends', async ({ page }) => {
  const hook = await receiver();
  await signIn(page, mate, PASSWORD);
  await page.goto('/account');
  const way = page.getByRole('region', { name: 'Webhooks' });
  await way.getByRole('textbox', { name: 'Address to call' }).fill('http://user:secret@example.org/');
  await way.getByRole('button', { name: 'Add a webhook' }).click();
  await expect(way.locator('.note, [role=alert]').first()).toBeVisible();
  await way.getByRole('textbox', { name: 'Address to call' }).fill(hook.url);
  await way.getByRole('button', { name: 'Add a webhook' }).click();
  const secret = (await page.locator('.secret').textContent()) ?? '';
  expect(secret).toMatch(/^whsec_/);
  await page.locator('.ant-modal').getByText('Close', { exact: true }).click();
  await expect(way.getByText(hook.url)).toBeVisible();
  await way.getByRole('button', { name: 'Send a test' }).click();
  await expect(page.getByText('The test was taken.')).toBeVisible();
  await page.request.post('/v1/jobs', { headers: { 'X-HW-CSRF': '1' }, data: { script: '#!/bin/bash\n#SBATCH --job-name=told --time=1 --mem=32M\ntrue\n' } });
  await expect.poll(() => hook.calls.length).toBe(2);
  const { headers, body } = hook.calls[1] as Call;
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const tag = createHmac('sha256', key).update(`${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`).digest('base64');
  expect(headers['webhook-signature']).toBe(`v1,${tag}`);
  expect(JSON.parse(body)).toMatchObject({ type: 'job.completed', data: { name: 'told', state: 'COMPLETED' } });
  await look(page, 'notices-desk-en');
  await way.getByRole('checkbox', { name: 'Job starts' }).check();
  await page.reload();
  await expect(way.getByRole('checkbox', { name: 'Job starts' })).toBeChecked();
  await way.getByRole('button', { name: 'Remove' }).click();
  await page.locator('.ant-popover').getByRole('button', { name: 'Remove' }).click();
  await expect(way.getByText(hook.url)).toHaveCount(0);
  hook.close();
});

test('a mail address is confirmed by the link in the mail', async ({ page }) => {
  test.skip(!process.env.HW_MAIL, 'the server has no mail server');
  const box = await mailbox(Number(process.env.HW_MAIL));
  await signIn(page, mate, PASSWORD);
  await page.goto('/account');
  const way = page.getByRole('region', { name: 'By mail' });
  await way.getByRole('textbox', { name: 'Mail address' }).fill('mate@example.org');
  await way.getByRole('button', { name: 'Send a code' }).click();
  await expect(way.getByText('A code was sent to mate@example.org')).toBeVisible();
  const text = (box.mails[0] ?? '').replace(/=\n/g, '').replace(/=3D/g, '=');
  const link = /account\?confirm=\w+/.exec(text)?.[0] ?? '';
  await page.goto(`/${link}`);
  await way.getByRole('button', { name: 'Confirm' }).click();
  await expect(way.getByText('mate@example.org')).toBeVisible();
  await expect(way.getByRole('checkbox', { name: 'Job completes' })).toBeChecked();
  await way.getByRole('checkbox', { name: 'Money runs short' }).uncheck();
  await look(page, 'notices-mail-desk-en');
  await way.getByRole('button', { name: 'No more mail' }).click();
  await page.locator('.ant-popover').getByRole('button', { name: 'No more mail' }).click();
  await expect(way.getByRole('textbox', { name: 'Mail address' })).toBeVisible();
  box.close();
});

test('members of a project: an owner of the tenant names its lead, who names others, on a phone too', async ({ page, browser }) => {
  await signIn(page, owner, PASSWORD);
  await page.goto('/account');
  await page.getByRole('button', { name: 'Members of default' }).click();
  const dialog = page.locator('.ant-modal');
  await dialog.getByRole('combobox', { name: 'Person' }).fill(lead);
  await page.locator('.ant-select-dropdown:visible .ant-select-item-option', { hasText: lead }).click();
  await dialog.getByRole('combobox', { name: 'Role', exact: true }).click();
  await page.locator('.ant-select-dropdown:visible').getByText('Owner', { exact: true }).click();
  await dialog.getByRole('button', { name: 'Give the role' }).click();
  await expect(dialog.locator('tr', { hasText: lead })).toContainText('Owner');
  await look(page, 'members-desk-en');

  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true });
  const phone = await context.newPage();
  await phone.addInitScript(() => localStorage.setItem('hw.language', 'zh'));
  await signIn(phone, lead, PASSWORD);
  await phone.goto('/account');
  await heading(phone).waitFor();
  await look(phone, 'notices-phone-zh');
  await phone.getByRole('button', { name: 'default 的成员' }).click();
  const sheet = phone.locator('.ant-modal');
  await sheet.getByRole('combobox', { name: '选择成员' }).fill(mate);
  await phone.locator('.ant-select-dropdown:visible .ant-select-item-option', { hasText: mate }).click();
  await sheet.getByRole('button', { name: '设置角色' }).click();
  // In the list; the field that they were chosen in tells the name before.
  await expect(sheet.locator('.card', { hasText: mate })).toBeVisible();
  await look(phone, 'members-phone-zh');
  await context.close();

  await signInAs(page, mate);
  await page.goto('/account');
  await page.getByRole('button', { name: 'Members of default' }).click();
  await expect(dialog.locator('tr', { hasText: mate })).toContainText('Member');
  await expect(dialog.getByRole('button', { name: 'Give the role' })).toHaveCount(0);
});

async function signInAs(page: Page, user: string): Promise<void> {
  await page.context().clearCookies();
  await signIn(page, user, PASSWORD);
}
