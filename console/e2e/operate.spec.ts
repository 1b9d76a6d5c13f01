// What the operator does, against a real server: looks, drains, registers, signs, tries prices, reconciles, changes the policy, makes a tenant.
import { expect, test, type Page } from '@playwright/test';

import { listen } from './browser';
import { look } from './look';
import { RUN, seed, type Seed } from './operate-seed';
import { signIn } from './sign-in';

// One page for all of them: each goes on where the platform was left.
test.describe.configure({ mode: 'serial' });
test.skip(!process.env.HW_URL, 'needs a real server');

const NAME = process.env.HW_USER ?? 'admin';
const PASSWORD = process.env.HW_PASSWORD ?? '';
let page: Page;
let given: Seed;
const complaints: string[] = [];

test.beforeAll(async ({ browser }) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-US' });
  page = await context.newPage();
  listen(page, complaints);
  await signIn(page, NAME, PASSWORD);
  given = await seed(page);
});
test.afterAll(() => page.context().close());
test.afterEach(() => expect(complaints.splice(0)).toEqual([]));

const sound = (where: string) => look(page, `operate-${where.replaceAll(' ', '-')}`);

const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' });
const sheet = () => page.locator('dialog[open]');
const field = (name: string) => sheet().locator(`[name=${name}]`);

test('the overview tells how things stand, on a desk and on a phone', async () => {
  await page.getByRole('link', { name: 'Operate' }).click();
  await expect(page.getByRole('heading', { name: 'The platform' })).toBeVisible();
  await expect(page.locator('.big-figure').first()).toHaveText(/\d+ %/);
  await expect(page.locator('.map-land')).toHaveAttribute('d', /^M/);
  await expect(page.locator('.map-site, .map-chip').filter({ hasText: given.cluster }).first()).toBeAttached();
  await expect(page.locator('.queue li')).toHaveCount(4);
  await expect(page.locator('.cash')).toContainText('Margin');
  await sound('overview');
  await page.setViewportSize({ width: 390, height: 844 });
  await button('切换到中文').click();
  await expect(page.getByRole('heading', { name: '平台总览' })).toBeVisible();
  await sound('overview on a phone');
  await button('Switch to English').click();
  await page.setViewportSize({ width: 1440, height: 900 });
});

test('a node is drained and taken back, down from the list of clusters', async () => {
  await page.goto('/operate/clusters');
  await page.getByRole('link', { name: given.cluster, exact: true }).click();
  await page.locator(`.heat-node[title^="${given.node}:"]`).first().click();
  await expect(page).toHaveURL(new RegExp(`node=${given.node}`));
  await button('Drain').click();
  await expect(page.locator('.node-panel .state')).toHaveText('drained');
  await sound('cluster');
  await button('Resume').click();
  await expect(page.locator('.node-panel .state').first()).toHaveText('up');
  // Where it stands is said, and the map knows.
  await button('Say where').click();
  await field('degrees').fill('somewhere');
  await sheet().getByRole('button', { name: 'Save' }).click();
  await expect(sheet()).toContainText('Write latitude, longitude');
  await field('degrees').fill('26.6, 106.7');
  await field('label').fill('Guiyang');
  await sheet().getByRole('button', { name: 'Save' }).click();
  await expect(page.locator('.place-fact')).toContainText('Guiyang · 26.6, 106.7');
  await page.goto('/operate');
  await expect(page.locator('.map-site').filter({ hasText: given.cluster })).toBeAttached();
});

test('a cluster is registered, and its test says what is wrong', async () => {
  await page.goto('/operate/clusters');
  await page.getByRole('link', { name: 'Register a cluster' }).click();
  await page.locator('[name=name]').fill(`probe-${RUN}`);
  await page.locator('[name=supplier]').fill(`portco-${RUN}`);
  await page.locator('[name=site]').fill('shanghai');
  await page.locator('[name=core]').fill('0.20');
  await sound('registration');
  await button('Go on').click();
  await page.locator('[name=kind]').selectOption('command');
  await page.locator('[name=bin]').fill('/nonexistent');
  await page.locator('[name=work]').fill('/tmp/headworks-e2e-work');
  await button('Register and test').click();
  await button('Check now').click();
  await expect(page.locator('.findings .state').first()).toHaveText('wrong');
  await expect(page.locator('.findings')).toContainText('→');
  await sound('connection test');
  await button('Retire').click();
  await sheet().getByRole('button', { name: 'Retire' }).click();
  await expect(sheet()).toHaveCount(0);
});

test('a site is enrolled with a token that is shown once, or the server says why not', async () => {
  await page.goto('/operate/clusters');
  await button('Enrol a site').click();
  await field('name').fill(`harbour-${RUN}`);
  await sheet().getByRole('button', { name: 'Make the token' }).click();
  await expect(sheet().locator('.once-text, [role=alert]').first()).toBeVisible();
  await sound('enrolment');
  await page.keyboard.press('Escape');
  await expect(sheet()).toHaveCount(0);
});

test('every report of the business opens', async () => {
  await page.goto('/operate/business');
  for (const tab of ['Margin', 'Pools', 'Own and partners', 'By tenant', 'Who owes', 'Grants', 'Statements']) {
    await page.getByRole('navigation', { name: 'Business' }).getByRole('link', { name: tab, exact: true }).click();
    await expect(page.locator('.operate-page .panel').first()).toBeVisible();
    await expect(page.locator('.loading')).toHaveCount(0);
    await expect(page.getByRole('alert')).toHaveCount(0);
    await sound(tab);
  }
  await page.goto('/operate/business?by=pool&and=mode&period=year');
  await expect(page.getByLabel('Then by')).toHaveValue('mode');
  await expect(page.getByLabel('Period')).toHaveValue('year');
});

test('a contract is signed and shown, a grant is given and revoked', async () => {
  await page.goto('/operate/business/contracts');
  await button('New contract').click();
  await field('tenant').selectOption(given.tenant);
  await field('name').fill(`year-${RUN}`);
  await field('to').fill(`${new Date().getUTCFullYear() + 1}-12-01`);
  await field('fee').fill('100');
  for (const [at, hours] of [[0, '500'], [1, '200']] as const) {
    await sheet().getByRole('button', { name: 'Add a commitment' }).click();
    await field(`unit${at}`).selectOption('core_hour');
    await field(`size${at}`).fill(hours);
    await field(`commitFee${at}`).fill('20');
  }
  await field('class1').selectOption('high');
  await sheet().getByRole('button', { name: 'Add storage or traffic' }).click();
  await field('quantity0').fill('1024');
  await sound('contract form');
  await sheet().getByRole('button', { name: 'Sign' }).click();
  await expect(sheet()).toHaveCount(0);
  await page.locator('tr', { hasText: `year-${RUN}` }).getByRole('link').click();
  await expect(page.getByText('the contract itself')).toBeVisible();
  const signed = await page.evaluate(async (number) => (await fetch(`/v1/contracts/${number}`)).json() as Promise<{ contract: { commit: unknown[]; include: unknown[] } }>, page.url().split('/').pop());
  expect(signed.contract).toMatchObject({ commit: [{ hours: 500 }, { hours: 200, class: 'high' }], include: [{ unit: 'gib_month', quantity: 1024 }] });
  await sound('contract');
  await page.goto('/operate/business/grants');
  await button('New grant').click();
  await field('tenant').selectOption(given.tenant);
  await field('amount').fill('250');
  await field('to').fill(`${new Date().getUTCFullYear() + 1}-12-01`);
  await field('note').fill(`spring ${RUN}`);
  await sheet().getByRole('button', { name: 'Grant' }).click();
  const row = page.locator('tr', { hasText: `spring ${RUN}` });
  await row.getByRole('button', { name: 'Revoke' }).click();
  await sheet().getByRole('button', { name: 'Revoke' }).click();
  await expect(row.locator('.state')).toHaveText('revoked');
});

/** A supplier's file of one line, as a spreadsheet saves it in China: in GBK, with a title, a line of totals and a decimal comma. */
const asSent = (attempt: string, hours: string, net: string) =>
  Buffer.concat([
    Buffer.from('Harbour;;\nattempt;hours;'),
    Buffer.from([0xbd, 0xf0, 0xb6, 0xee]),
    Buffer.from(`\natt_000000000000000000000000000000${attempt}_1;${hours};${net}\nTotal;;${net}\n`),
  ]);

test('a statement is taken in, its line settled, accepted and paid', async () => {
  await page.goto('/operate/business/suppliers');
  await button('Take a statement in').click();
  await sheet().locator('[name=file]').setInputFiles({ name: 'october.csv', mimeType: 'text/csv', buffer: asSent('ff', '10', '2,50') });
  await expect(sheet()).toContainText('read as GB 18030');
  await field('supplier').selectOption(`portco-${RUN}`);
  await field('statement').fill(`2026/${RUN}`);
  const year = new Date().getUTCFullYear();
  await field('from').fill(`${year}-01-01`);
  await field('to').fill(`${year + 1}-01-01`);
  await sheet().getByText('More about the file').click();
  await field('skipFirst').fill('1');
  await field('skipLast').fill('1');
  await field('decimal').selectOption('1234,50');
  await sound('statement-new');
  await field('attempt').selectOption('attempt');
  await field('amount').selectOption('金额');
  await field('quantity').selectOption('hours');
  await field('quantityUnit').selectOption('core_hours');
  await sheet().getByRole('button', { name: 'Read and match' }).click();
  await expect(page.getByRole('heading', { name: /^Statement \d+$/ })).toBeVisible();
  await expect(page.locator('tbody')).toContainText('only theirs');
  await sound('statement');
  await page.getByLabel('Choose line 1').check();
  await button('Settle 1 line').click();
  await field('resolution').selectOption('theirs');
  await sheet().getByRole('button', { name: 'Save' }).click();
  await expect(sheet()).toHaveCount(0);
  await button('Accept').click();
  await sheet().getByRole('button', { name: 'Accept' }).click();
  await button('Pay').click();
  await sheet().getByRole('button', { name: 'Pay' }).click();
  await expect(sheet()).toHaveCount(0);
  await expect(page.locator('.facts')).toContainText(['2.50']);
});

test('the next statement of the same supplier is read as the one before', async () => {
  await page.goto('/operate/business/suppliers');
  await button('Take a statement in').click();
  await field('supplier').selectOption(`portco-${RUN}`);
  await expect(field('asKept')).toBeChecked();
  await expect(field('attempt')).toHaveCount(0);
  await sheet().locator('[name=file]').setInputFiles({ name: 'november.csv', mimeType: 'text/csv', buffer: asSent('fe', '4', '1,25') });
  await field('statement').fill(`2026/${RUN}/next`);
  const year = new Date().getUTCFullYear();
  await field('from').fill(`${year}-01-01`);
  await field('to').fill(`${year + 1}-01-01`);
  await sound('statement-next');
  await sheet().getByRole('button', { name: 'Read and match' }).click();
  await expect(page.getByRole('heading', { name: /^Statement \d+$/ })).toBeVisible();
  await expect(page.locator('tbody')).toContainText('1.25');
});

test('prices are tried before they are published, and a service is sized', async () => {
  await page.goto('/operate/business/prices');
  await button('New version').click();
  await expect(page).toHaveURL(/tab=new/);
  const draft = page.locator('textarea');
  const text = await draft.inputValue();
  await draft.fill('{');
  await button('Try it').click();
  await expect(page.getByRole('alert')).toContainText('This is no JSON');
  await draft.fill(text.replace(/"name": "[^"]*"/, `"name": "book-${RUN}"`));
  await button('Try it').click();
  await expect(page.getByText('All tenants')).toBeVisible();
  await sound('prices');
  await button('Publish').click();
  await expect(page.getByRole('heading', { name: new RegExp(`book-${RUN}`) })).toBeVisible();
  await page.goto('/operate/business/sizing');
  await page.locator('[name=sold_hour]').fill('12');
  await page.locator('[name=own_hour]').fill('3');
  await page.locator('[name=partner_hour]').fill('8');
  await button('Calculate').click();
  await expect(page.locator('.figure')).toHaveText(/\d+ cards?/);
  await sound('sizing');
});

test('a month that is over is closed', async () => {
  await page.goto('/operate/business/statements');
  await button('Close a month').click();
  await sheet().getByRole('button', { name: 'Close a month' }).click();
  await expect(sheet()).toContainText(/Nothing was left to close|statements? closed/);
  await sheet().getByRole('button', { name: 'Close', exact: true }).click();
});

test('the queue has reasons; the policy is checked, told apart, put into force', async () => {
  await page.goto('/operate/placement');
  await page.getByLabel('Search', { exact: true }).fill(`held-${RUN}`);
  await expect(page.locator('tbody tr')).toHaveCount(1);
  await sound('queue');
  await button('Policy').click();
  const document = page.locator('textarea');
  const before = await document.inputValue();
  await document.fill(`nonsense = 1\n${before}`);
  await button('Check').click();
  await expect(page.getByRole('alert')).toContainText('nonsense');
  const after = before.replace(/foreign_hold = "[^"]*"/, (old) => (old.includes('2h') ? 'foreign_hold = "3h"' : 'foreign_hold = "2h"'));
  await document.fill(after);
  await button('Check').click();
  await expect(page.locator('.changes')).toContainText('foreign_hold');
  await expect(page.locator('.diff-new')).toContainText('foreign_hold');
  await sound('policy');
  await page.getByLabel('Note on the change').fill(`e2e ${RUN}`);
  await button('Put into force').click();
  await expect(page.locator('.diff')).toHaveCount(0);
  await button('Versions').click();
  await expect(page.getByText(`e2e ${RUN}`)).toBeVisible();
  await sound('versions');
});

test('a tenant is made, paid in, budgeted, suspended; its user is found, and the log tells it', async () => {
  await page.goto('/operate/tenants');
  await button('New tenant').click();
  await field('name').fill(given.tenant);
  await sheet().getByRole('button', { name: 'Create' }).click();
  await expect(sheet().getByRole('alert')).toContainText('The name is taken');
  await field('name').fill(`press-${RUN}`);
  await sheet().getByRole('button', { name: 'Create' }).click();
  await expect(page.getByRole('heading', { name: `press-${RUN}` })).toBeVisible();
  await button('Top up').click();
  await field('amount').fill('1234.5');
  await sheet().getByRole('button', { name: 'Book' }).click();
  await expect(page.locator('.figure')).toContainText('1,234.50');
  await button('Set a budget').click();
  await field('amount').fill('500');
  await sheet().getByRole('button', { name: 'Save' }).click();
  await expect(page.locator('tbody').first()).toContainText('500');
  await button('New project').click();
  await field('name').fill('melt');
  await sheet().getByRole('button', { name: 'Create' }).click();
  await expect(page.locator('.chip', { hasText: 'melt' })).toBeVisible();
  await sound('tenant');
  await button('Suspend').click();
  await sheet().getByRole('button', { name: 'Suspend' }).click();
  await expect(page.locator('.state', { hasText: 'suspended' })).toBeVisible();
  await button('Readmit').click();
  await sheet().getByRole('button', { name: 'Readmit' }).click();
  await expect(page.locator('.state', { hasText: 'suspended' })).toHaveCount(0);
  // The page before has a field of the same name, and stands until the next one is there.
  await page.getByRole('link', { name: 'Users', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Users', level: 1 })).toBeVisible();
  await page.getByLabel('Search', { exact: true }).fill(given.owner);
  await expect(page.locator('tbody tr')).toHaveCount(1);
  await sound('users');
  await page.getByRole('link', { name: 'Audit log' }).click();
  await expect(page.getByRole('heading', { name: 'Audit log', level: 1 })).toBeVisible();
  await page.getByLabel('Search', { exact: true }).fill('budget.set');
  await expect(page).toHaveURL(/q=budget/);
  await expect(page.locator('tbody tr').first()).toContainText('500');
  await sound('audit log');
});

test('nobody else is let in', async ({ browser }) => {
  const other = await browser.newPage();
  await signIn(other, given.owner, given.password);
  await expect(other.getByRole('heading', { name: 'Overview' })).toBeVisible();
  await expect(other.getByRole('link', { name: 'Operate' })).toHaveCount(0);
  await other.goto('/operate/business');
  await expect(other).toHaveURL(/\/$/);
  await other.close();
});
