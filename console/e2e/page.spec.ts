// What people do with the page, in a real browser under the real content security policy. With HW_URL, HW_USER and
// HW_PASSWORD the parts that need no canned jobs run against a real server.
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test, type Page } from '@playwright/test';

import { signIn } from './sign-in';

const real = Boolean(process.env.HW_URL);
const NAME = process.env.HW_USER ?? 'demo';
const PASSWORD = process.env.HW_PASSWORD ?? 'demo';
const SCRIPT = '#!/bin/bash\n#SBATCH --job-name=e2e-page\n#SBATCH --ntasks=1\n#SBATCH --time=2\n\nfor i in 1 2 3; do echo "line $i"; sleep 1; done\n';

/** Everything the browser complains about; nothing may be left at the end of a test. */
const complaints: string[] = [];
test.beforeEach(({ page }) => {
  complaints.length = 0;
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // A refused request is told by its status line too; the tests ask for some on purpose.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(test.info().project.use.baseURL ?? '').origin) complaints.push(`fetched from elsewhere: ${request.url()}`);
  });
});
test.afterEach(() => expect(complaints).toEqual([]));

const language = (page: Page, to: 'en' | 'zh') => page.addInitScript((l) => localStorage.setItem('hw.language', l), to);
const state = (page: Page) => page.locator('.job-title .state');

test('signing in: a wrong password is told, the right one leads where one wanted to go, signing out ends it', async ({ page }) => {
  await page.goto('/pools');
  await expect(page).toHaveURL(/\/login\?next=%2Fpools$/);
  await page.locator('input[name=username]').fill(NAME);
  await page.locator('input[name=password]').fill(`${PASSWORD}-wrong`);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alert')).toContainText('Name or password is wrong');
  await page.locator('input[name=password]').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/pools$/);
  await expect(page.locator('.pools .panel').first()).toBeVisible();
  expect(await page.evaluate(() => document.cookie)).toBe('');
  await page.getByRole('button', { name: `Account of ${NAME}` }).click();
  await page.getByText('Sign out').click();
  await expect(page).toHaveURL(/\/login$/);
  await page.goto('/');
  await expect(page).toHaveURL(/\/login$/);
});

test('an address of another site is not where signing in leads', async ({ page }) => {
  await page.goto('/login?next=%2F%2Fevil.example%2F');
  await page.locator('input[name=username]').fill(NAME);
  await page.locator('input[name=password]').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
  expect(new URL(page.url()).pathname).toBe('/');
});

test('the language changes at once and is remembered, and so is the appearance', async ({ page }) => {
  await signIn(page, NAME, PASSWORD);
  await expect(page.getByRole('heading', { name: 'Overview' })).toBeVisible();
  await page.getByRole('button', { name: '切换到中文' }).click();
  await expect(page.getByRole('heading', { name: '总览' })).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN');
  await page.getByRole('button', { name: '外观' }).click();
  await page.getByText('深色').click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.reload();
  await expect(page.getByRole('heading', { name: '总览' })).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
});

test('a slash leads to the search, a number to its job, a name to the list', async ({ page }) => {
  test.skip(real, 'needs the canned jobs');
  await signIn(page, NAME, PASSWORD);
  await page.locator('.line').first().waitFor();
  await page.keyboard.press('/');
  await expect(page.getByRole('searchbox', { name: 'Job number or name' })).toBeFocused();
  await page.keyboard.type('1042\n');
  await expect(page).toHaveURL(/\/jobs\/1042$/);
  await page.keyboard.press('/');
  await page.keyboard.type('lj-me\n');
  await expect(page).toHaveURL(/\/jobs\?name=lj-me$/);
  await expect(page.locator('tbody tr').first()).toContainText('lj-melt');
});

test('the list: views and filters are in the address, pages go on, back comes back', async ({ page }) => {
  test.skip(real, 'needs the canned jobs');
  await signIn(page, NAME, PASSWORD);
  await page.getByRole('link', { name: 'Jobs', exact: true }).click();
  await expect(page.locator('tbody tr')).toHaveCount(50);
  const first = await page.locator('tbody tr .row-link').first().textContent();
  await page.getByRole('link', { name: 'Older' }).click();
  await expect(page).toHaveURL(/cursor=/);
  await expect(page.locator('tbody tr .row-link').first()).not.toHaveText(first ?? '');
  await page.reload();
  await expect(page.locator('tbody tr .row-link').first()).not.toHaveText(first ?? '');
  await page.goBack();
  await expect(page.locator('tbody tr .row-link').first()).toHaveText(first ?? '');
  await page.getByRole('link', { name: 'Failed', exact: true }).click();
  await expect(page).toHaveURL(/view=failed/);
  await page.getByRole('textbox', { name: 'User' }).fill('nobody');
  await page.keyboard.press('Enter');
  await expect(page.getByText('No job matches')).toBeVisible();
  await page.getByRole('link', { name: 'Clear filters' }).first().click();
  await expect(page).toHaveURL(/view=failed$|\/jobs$/);
  await page.locator('tbody tr').first().click();
  await expect(page).toHaveURL(/\/jobs\/[\d_]+$/);
});

test('a faulty script: its lines are marked, and nothing is priced', async ({ page }) => {
  await signIn(page, NAME, PASSWORD);
  await page.goto('/submit');
  await page.locator('textarea').fill('#!/bin/bash\n#SBATCH --ntaks=4\n#SBATCH --foo\necho hello\n');
  await expect(page.locator('.editor-line.fault')).toHaveCount(2);
  await expect(page.locator('.marks')).toContainText('Line 2');
  await page.locator('textarea').fill(SCRIPT);
  await expect(page.locator('.is-chosen')).toBeVisible();
  await expect(page.locator('.marks-fault')).toHaveCount(0);
  await page.reload();
  await expect(page.locator('textarea')).toHaveValue(SCRIPT);
});

test('a job from the script to its output, live', async ({ page }) => {
  await signIn(page, NAME, PASSWORD);
  await page.goto('/submit');
  await page.locator('textarea').fill(SCRIPT);
  await expect(page.locator('.is-chosen')).toBeVisible();
  await page.keyboard.press('Control+Enter');
  await expect(page).toHaveURL(/\/jobs\/(job_|\d)/);
  await expect(page.getByRole('heading', { level: 1 })).toContainText('e2e-page');
  // Without a reload: the stream of events tells.
  await expect(state(page)).toHaveText(/Running|Completed/);
  await expect(page.locator('.log-block').first()).toBeVisible();
  // Opened by its number, and still live.
  await page.goto(new URL(page.url()).pathname.replace(/[^/]*$/, (await page.locator('.job-title h1 .mono').textContent()) ?? ''));
  await expect(page.locator('.timeline')).toContainText(/Submitted/);
  await expect(page.locator('tr.is-chosen')).toBeVisible();
  if (real) {
    await expect(page.locator('.log')).toContainText('line 3');
    await expect(state(page)).toHaveText('Completed');
    await expect(page.locator('.timeline')).toContainText('Ended');
    await page.getByRole('link', { name: 'Resubmit' }).click();
    await expect(page.locator('textarea')).toHaveValue(SCRIPT);
  }
});

test('holding, releasing and cancelling, the last only when asked again', async ({ page }) => {
  test.skip(real, 'needs the canned jobs');
  await signIn(page, NAME, PASSWORD);
  await page.goto('/jobs/1043');
  await page.getByRole('button', { name: 'Hold' }).click();
  await expect(state(page)).toHaveText('Held');
  await page.getByRole('button', { name: 'Release' }).click();
  await expect(state(page)).toHaveText('Waiting');
  const cancel = page.locator('.job-actions').getByRole('button', { name: 'Cancel' });
  await cancel.click();
  await page.getByRole('button', { name: 'Keep it' }).click();
  await expect(state(page)).toHaveText('Waiting');
  await cancel.click();
  await page.locator('.ant-popover').getByRole('button', { name: 'Cancel', exact: true }).click();
  await expect(state(page)).toHaveText('Cancelled');
  await expect(cancel).toHaveCount(0);
});

test('a long log opens at its end, and what is before comes when asked for', async ({ page }) => {
  test.skip(real, 'needs the canned jobs');
  await signIn(page, NAME, PASSWORD);
  await page.goto('/jobs/1038');
  await expect(page.locator('.log')).toContainText('Total wall time');
  await expect(page.locator('.log')).not.toContainText('Created 32000 atoms');
  await page.locator('.log').evaluate((el) => (el.scrollTop = 0));
  const earlier = page.getByRole('button', { name: /Show earlier output/ });
  for (let i = 0; i < 5 && (await earlier.isVisible()); i++) {
    await earlier.click();
    await page.locator('.log').evaluate((el) => (el.scrollTop = 0));
  }
  await expect(page.locator('.log')).toContainText('Created 32000 atoms');
  await page.getByRole('button', { name: 'Go to the end' }).click();
  await expect.poll(() => page.locator('.log').evaluate((el) => el.scrollHeight - el.scrollTop - el.clientHeight)).toBeLessThan(40);
});

test('a lost connection says so and heals', async ({ page, context }) => {
  await signIn(page, NAME, PASSWORD);
  await expect(page.locator('.connection')).toHaveText('Live');
  // New requests fail; the running stream is cut by leaving and coming back within the page's own life.
  await context.setOffline(true);
  await page.evaluate(() => window.dispatchEvent(new Event('offline')));
  await page.reload().catch(() => undefined);
  await context.setOffline(false);
  await page.goto('/');
  await expect(page.locator('.connection')).toHaveText('Live');
  // The stream refused: the page says so; allowed again: it goes on by itself.
  await page.route('**/v1/events', (route) => route.abort());
  await page.reload();
  await expect(page.locator('.lost-note')).toContainText('Connection lost');
  await page.unroute('**/v1/events');
  await expect(page.locator('.connection')).toHaveText('Live');
  await expect(page.locator('.lost-note')).toHaveCount(0);
});

test('a session that has ended leads to signing in and back', async ({ page, context }) => {
  await signIn(page, NAME, PASSWORD);
  await page.goto('/jobs?view=failed');
  await expect(page.locator('.views')).toBeVisible();
  await context.clearCookies();
  await page.getByRole('link', { name: 'Pools', exact: true }).click();
  await expect(page).toHaveURL(/\/login\?/);
  await page.locator('input[name=username]').fill(NAME);
  await page.locator('input[name=password]').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/pools$/);
});

test('a new tenant finds the way to a first job', async ({ page }) => {
  test.skip(real, 'needs the canned tenant');
  await signIn(page, 'empty', 'demo');
  await expect(page.getByText('No jobs yet')).toBeVisible();
  await page.locator('.empty').getByRole('link', { name: 'Submit a job' }).click();
  await expect(page).toHaveURL(/\/submit$/);
});

for (const theme of ['light', 'dark']) {
  test(`nothing serious for axe, ${theme}`, async ({ page }) => {
    // Colours are measured at rest.
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await language(page, theme === 'light' ? 'en' : 'zh');
    await page.addInitScript((t) => localStorage.setItem('hw.theme', t), theme);
    const check = async (where: string) => {
      const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']).analyze();
      const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
      expect(serious.map((v) => `${where}: ${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`)).toEqual([]);
    };
    await page.goto('/login');
    await page.locator('form').waitFor();
    await check('login');
    await signIn(page, NAME, PASSWORD);
    for (const path of ['/', '/jobs', '/pools', '/submit', ...(real ? [] : ['/jobs/1041', '/jobs/1044', '/jobs/1038'])]) {
      await page.goto(path);
      await page.locator('#content h1, #content h2').first().waitFor();
      await page.waitForLoadState('domcontentloaded');
      await expect(page.locator('.loading')).toHaveCount(0);
      await check(path);
    }
  });
}
