// The twin in the console, against a real server with real jobs: a policy is tried from its editor, a run is asked for with other pools,
// two are compared, the present is run ahead, one is stopped and removed.
import { readFileSync } from 'node:fs';

import { expect, test, type Page } from '@playwright/test';

import { listen } from './browser';
import { look } from './look';
import { call, RUN } from './operate-seed';
import { signIn } from './sign-in';

test.describe.configure({ mode: 'serial' });
test.skip(!process.env.HW_URL, 'needs a real server');

const NAME = process.env.HW_USER ?? 'admin';
const PASSWORD = process.env.HW_PASSWORD ?? '';
let page: Page;
const complaints: string[] = [];

test.beforeAll(async ({ browser }) => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-US' });
  page = await context.newPage();
  listen(page, complaints);
  await signIn(page, NAME, PASSWORD);
  const jobs: string[] = [];
  for (let n = 0; n < 4; n++) {
    const made = await call<{ job: string }>(page, 'POST', '/v1/jobs', { script: `#!/bin/sh\n#SBATCH --job-name=twin-${RUN}-${n}\n#SBATCH --time=5\nsleep 0.${n + 1}\n` });
    jobs.push(made.job);
  }
  await expect.poll(async () => (await Promise.all(jobs.map((job) => call<{ state: string }>(page, 'GET', `/v1/jobs/${job}`)))).map(({ state }) => state), { timeout: 60_000 }).toEqual(jobs.map(() => 'COMPLETED'));
});
test.afterAll(() => page.context().close());
test.afterEach(() => expect(complaints.splice(0)).toEqual([]));

const sound = (where: string) => look(page, `twin-${where.replaceAll(' ', '-')}`);
const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' });
const edited = (text: string) => text.replace(/foreign_hold = "[^"]*"/, 'foreign_hold = "5h"');
const figures = () => page.getByRole('table', { name: 'Figures' });
const done = () => expect(page.locator('.state', { hasText: 'done' }).first()).toBeVisible({ timeout: 60_000 });

test('an edited policy is tried in the twin, and what was tried can be put in force', async () => {
  await page.goto('/operate/placement?tab=policy');
  const document = page.locator('textarea');
  const before = await document.inputValue();
  await expect(button('Try it in the twin')).toBeDisabled();
  await document.fill(`nonsense = 1\n${before}`);
  await button('Try it in the twin').click();
  await expect(page.getByRole('alert')).toContainText('nonsense');
  await document.fill(edited(before));
  await page.getByLabel('Note on the change').fill(`tried ${RUN}`);
  await button('Try it in the twin').click();
  await expect(page).toHaveURL(/\/operate\/twin\/twn_/);
  await expect(page.getByRole('heading', { name: `tried ${RUN}` })).toBeVisible();
  await done();
  await expect(page.locator('.diff-new')).toContainText('foreign_hold = "5h"');
  await expect(figures().getByRole('row', { name: /^Jobs / })).toContainText(/\d/);
  await expect(figures().getByRole('row', { name: /^Mean wait/ })).toContainText(/better|worse|the same/);
  await expect(figures().getByRole('row', { name: /^Margin/ })).toContainText('¥');
  await expect(page.locator('.twin-plots .plot')).toHaveCount(8);
  await sound('run');
  const [file] = await Promise.all([page.waitForEvent('download'), button('Save as CSV').click()]);
  expect(readFileSync(await file.path(), 'utf8')).toMatch(/^group,name,figure,As it is,With the changes\r\nall,all,jobs,\d+,\d+\r\n/);
  await page.setViewportSize({ width: 390, height: 844 });
  await button('切换到中文').click();
  await expect(page.getByRole('heading', { name: '指标', exact: true })).toBeVisible();
  await sound('run on a phone');
  await button('Switch to English').click();
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByRole('link', { name: 'Put in force …' }).click();
  await expect(page.locator('textarea')).toHaveValue(edited(before));
  await expect(button('Put into force')).toBeEnabled();
});

test('a run with other pools is asked for, and compared with another by address', async () => {
  await page.goto('/operate/twin');
  await page.getByRole('link', { name: 'New run' }).click();
  await page.locator('[name=days]').fill('2');
  await page.locator('[name=note]').fill(`larger ${RUN}`);
  await button('Add a pool').click();
  await page.getByLabel('New pool').fill(`extra-${RUN}`);
  await page.getByLabel('Cost of a node a month').fill('1000');
  await button('An outage').click();
  await sound('new');
  await button('Start').click();
  await expect(page.getByRole('heading', { name: `larger ${RUN}` })).toBeVisible();
  await done();
  await expect(page.getByRole('table', { name: 'Pool' })).toContainText(`extra-${RUN}`);
  await page.getByLabel('Group by').selectOption('tenants');
  await expect(page).toHaveURL(/by=tenants/);
  await page.goto('/operate/twin');
  await page.getByRole('checkbox', { name: `Compare: larger ${RUN}` }).check();
  await page.getByRole('checkbox', { name: `Compare: tried ${RUN}` }).check();
  await sound('list');
  await page.getByRole('link', { name: 'Two runs compared' }).click();
  await expect(page).toHaveURL(/a=twn_\w+&b=twn_/);
  await expect(figures()).toContainText(/better|worse|the same/);
  await sound('two');
  await page.reload();
  await expect(figures()).toContainText('B: tried', { ignoreCase: true });
});

test('the present is run ahead', async () => {
  await page.goto('/operate/twin/new');
  await page.locator('[name=kind]').selectOption('ahead');
  await page.locator('[name=note]').fill(`ahead ${RUN}`);
  await button('Start').click();
  await expect(page.getByRole('heading', { name: `ahead ${RUN}` })).toBeVisible();
  await done();
  await expect(page.getByRole('heading', { name: /Nothing waits|Figures/ })).toBeVisible();
  await sound('ahead');
  await button('Remove').click();
  await expect(page).toHaveURL(/\/operate\/twin$/);
  await expect(page.getByText(`ahead ${RUN}`)).toHaveCount(0);
});
