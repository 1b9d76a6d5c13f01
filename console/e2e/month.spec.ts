// A month of many jobs that is over and closed: its statements as the tenant reads them, its reports as the operator does, and lists
// of all its jobs, with how long they take. HW_JOBS says how many jobs there are.
import { readFileSync } from 'node:fs';

import { expect, test, type Page } from '@playwright/test';

import { openPage } from './browser';
import { look } from './look';
import { call } from './operate-seed';
import { signIn } from './sign-in';

test.describe.configure({ mode: 'serial' });

const [MONTH, JOBS] = [process.env.HW_MONTH ?? '', Number(process.env.HW_JOBS ?? 0)];
const [TENANT, USER, PASSWORD] = ['tenant-5', 'tenant-5-0', 'a password for tests'];
let page: Page;

interface Statement {
  number: number;
  name: string;
  due: string;
  opening: string;
  closing: string;
  jobs: { number?: number; name?: string; due: string }[];
}

interface Times {
  asked: number;
  painted: number;
}

/** Runs `act`, and how long the answer that it asks for took, and its content after the answer's last byte until it was painted, ms. */
async function painted(act: () => Promise<unknown>, answer: RegExp, seen: () => Promise<unknown>): Promise<Times> {
  await page.evaluate(() => {
    const shown: number[] = [];
    const note = () => requestAnimationFrame(() => requestAnimationFrame(() => shown.push(performance.now())));
    new MutationObserver(note).observe(document.body, { childList: true, subtree: true, characterData: true });
    performance.clearResourceTimings();
    Object.assign(window, { shown });
  });
  const response = page.waitForResponse((r) => answer.test(r.url()));
  await act();
  await (await response).finished();
  await seen();
  return page.evaluate((pattern) => {
    const entries = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
    const asked = entries.filter(({ name }) => new RegExp(pattern).test(name)).at(-1) as PerformanceResourceTiming;
    const { shown } = window as unknown as { shown: number[] };
    const first = shown.find((at) => at > asked.responseEnd) ?? performance.now();
    return { asked: Math.round(asked.responseEnd - asked.startTime), painted: Math.round(first - asked.responseEnd) };
  }, answer.source);
}

const tell = (what: string, { asked, painted: shown }: Times) =>
  console.log(`${JOBS} jobs, ${what}: answered after ${asked} ms, shown ${shown} ms later (wanted: 100)`);

test.beforeAll(async ({ browser }) => {
  page = await openPage(browser, 'desk', 'en', 'light');
  await signIn(page, process.env.HW_USER ?? 'admin', process.env.HW_PASSWORD ?? '');
  const answer = await page.request.fetch(`/v1/users/${USER}`, { method: 'PATCH', headers: { 'X-HW-CSRF': '1' }, data: { password: PASSWORD, role: 'owner' } });
  expect(answer.ok(), await answer.text()).toBe(true);
});
test.afterAll(() => page.context().close());

test('lists of all jobs answer at once', async () => {
  const rows = page.locator('tbody tr');
  await page.goto('/jobs');
  await rows.first().waitFor();
  const first = await rows.first().innerText();
  const other = () => expect(rows.first()).not.toHaveText(first);
  tell('the next page', await painted(() => page.getByRole('link', { name: /Next|Older/ }).click(), /cursor=/, other));
  const view = (name: string) => page.getByRole('navigation', { name: 'Which jobs' }).getByRole('link', { name, exact: true });
  tell('failed ones', await painted(() => view('Failed').click(), /\/v1\/jobs\?/, other));
  const name = page.getByRole('textbox', { name: 'User', exact: true });
  await name.fill(USER);
  tell('failed ones of one user', await painted(() => name.press('Enter'), /user=/, () => expect(rows.first()).toContainText(USER)));
  await look(page, 'month-jobs');
});

test('reports over the month, told apart by what one likes', async () => {
  const rows = page.locator('.operate-page tbody tr');
  await page.goto('/operate/business?by=mode&period=year');
  await rows.first().waitFor();
  for (const by of ['tenant', 'pool', 'line', 'day', 'user']) {
    const choose = page.getByLabel('First by');
    tell(`margin by ${by}`, await painted(() => choose.selectOption(by), /\/v1\/reports\/margin/, () => expect(page.locator('.is-stale, .loading')).toHaveCount(0)));
    await expect(rows.first()).toBeVisible();
    await look(page, `month-margin-${by}`);
  }
  for (const tab of ['pools', 'mix', 'tenants', 'ageing', 'statements']) {
    await page.goto(`/operate/business/${tab}?period=year`);
    await expect(page.locator('.loading')).toHaveCount(0, { timeout: 60_000 });
    await expect(page.getByRole('alert')).toHaveCount(0);
    await look(page, `month-${tab}`);
  }
  await page.goto('/operate');
  await expect(page.locator('.big-figure').first()).toBeVisible();
  await look(page, 'month-overview');
});

for (const [size, language, theme] of [
  ['desk', 'en', 'light'],
  ['phone', 'zh', 'dark'],
  ['desk', 'zh', 'light'],
] as const) {
  test(`a tenant reads its statement, ${size} ${language}`, async ({ browser }) => {
    const own = await openPage(browser, size, language, theme);
    await signIn(own, USER, PASSWORD);
    await own.goto('/money/statements');
    const list = await call<{ items: { number: number; month: string; name: string; due: string }[] }>(own, 'GET', '/v1/statements');
    const told = list.items.find(({ month }) => month === MONTH);
    expect(told, `a statement of ${MONTH} for ${TENANT}`).toBeDefined();
    await look(own, `month-statements-${size}-${language}`);
    await own.locator(`a[href="/money/statements/${told?.number}"]`).first().click();
    await expect(own.locator('.statement')).toContainText(told?.name ?? '', { timeout: 30_000 });
    const whole = await call<Statement>(own, 'GET', `/v1/statements/${told?.number}`);
    // What is due, as the page writes money: two to four places.
    const [units, places = ''] = whole.due.split('.');
    const due = Number(units).toLocaleString('en-US') + '.' + places.slice(0, 2).padEnd(2, '0');
    await expect(own.locator('.statement')).toContainText(due.slice(0, -1));
    expect(whole.jobs.length).toBeGreaterThan(0);
    await look(own, `month-statement-${size}-${language}`);
    if (size === 'desk' && language === 'en') {
      for (const format of ['csv', 'xlsx', 'focus', 'html'] as const) {
        const answer = await own.request.get(`/v1/statements/${told?.number}?format=${format}`);
        expect(answer.ok(), format).toBe(true);
        expect((await answer.body()).length, format).toBeGreaterThan(500);
        if (format === 'xlsx') expect((await answer.body()).subarray(0, 2).toString()).toBe('PK');
      }
      const download = own.waitForEvent('download');
      await own.getByRole('link', { name: 'CSV' }).first().click();
      expect(readFileSync(await (await download).path(), 'utf8').split('\n').length).toBeGreaterThan(2);
    }
    await own.goto('/');
    await look(own, `month-home-${size}-${language}`);
    await own.goto('/money/spend?span=months');
    await expect(own.locator('.bars').first()).toBeVisible();
    await look(own, `month-spend-${size}-${language}`);
    await own.context().close();
  });
}
