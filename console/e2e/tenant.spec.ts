// The tenant's pages against a real server with a tenant of its own: every page at desk and at phone size, in both
// languages, light and dark, and what people do there.
import { expect, test } from '@playwright/test';

import { listen, openPage } from './browser';
import { look } from './look';
import { seedTenant, type Tenant } from './seed';
import { signIn } from './sign-in';

test.skip(!process.env.HW_URL, 'needs a real server');

let tenant: Tenant;
test.beforeAll(async () => {
  tenant = await seedTenant(process.env.HW_USER ?? '', process.env.HW_PASSWORD ?? '');
});

const complaints: string[] = [];
test.beforeEach(() => void (complaints.length = 0));
test.afterEach(() => expect(complaints).toEqual([]));

const PAGES: [string, string, string][] = [
  ['home', '/', '.figure'],
  ['money', '/money', '.money .meter'],
  ['spend', '/money/spend', '.bars'],
  ['spend-months', '/money/spend?by=user&span=months', '.bars'],
  ['statements', '/money/statements', '.empty'],
  ['transfers', '/money/transfers', '.table tbody tr, .card'],
  ['jobs', '/jobs', '.table tbody tr, .card'],
  ['array', '/jobs?array=ARRAY', '.element'],
  ['job', '/jobs/JOB?dir=out&file=out/curve.csv', '.plot'],
  ['job-element', '/jobs/ARRAY_3', '.element.is-current'],
  ['job-held', '/jobs/HELD', '.job-actions'],
  ['submit', '/submit?from=JOB', '.is-chosen'],
  ['files', '/files', '.empty, .space-tools'],
  ['pools', '/pools', '.pools .panel'],
  ['account', '/account', '.account .table tbody tr, .account .card'],
];

for (const [size, language, theme] of [['desk', 'en', 'light'], ['phone', 'zh', 'dark'], ['desk', 'zh', 'dark'], ['phone', 'en', 'light']] as const) {
  test(`every page, ${size} ${language} ${theme}`, async ({ browser }) => {
    test.setTimeout(240_000);
    const page = await openPage(browser, size, language, theme);
    listen(page, complaints);
    await signIn(page, tenant.owner, tenant.password);
    for (const [name, path, marker] of PAGES) {
      await page.goto(path.replace('ARRAY', tenant.array).replace('JOB', tenant.job).replace('HELD', tenant.held));
      await page.locator(marker).first().waitFor();
      await look(page, `${name}-${size}-${language}`);
    }
    await page.context().close();
  });
}

test('what people do with jobs: choose many, hold and cancel, keep a view, hide a column, take the list away', async ({ page }) => {
  await signIn(page, tenant.member, tenant.password);
  await page.goto('/jobs');
  await page.locator('tbody tr').first().waitFor();
  // Columns are remembered.
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.locator('.ant-dropdown-menu-item', { hasText: 'Project' }).click();
  await expect(page.getByRole('columnheader', { name: 'Project' })).toBeVisible();
  await page.keyboard.press('Escape');
  await page.goto('/jobs?view=waiting');
  await expect(page.getByRole('columnheader', { name: 'Project' })).toBeVisible();
  // A view gets a name, and its address is the view.
  await page.getByRole('textbox', { name: 'Name begins with' }).fill('lat');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/name=lat(&|$)/);
  await page.getByRole('button', { name: 'Save this view' }).click();
  await page.getByRole('textbox', { name: 'Name of the view' }).fill('my later ones');
  await page.keyboard.press('Enter');
  await page.goto('/jobs');
  await page.getByRole('link', { name: 'my later ones' }).click();
  await expect(page).toHaveURL(/view=waiting&name=lat(&|$)|name=lat&view=waiting/);
  await expect(page.locator('tbody tr')).toHaveCount(1);
  // Bulk: the held job is released and cancelled, then submitted again.
  await page.getByRole('checkbox', { name: 'Choose all on this page' }).check();
  await page.getByRole('button', { name: 'Resubmit (1)' }).click();
  await page.locator('.ant-popover').getByRole('button', { name: 'Resubmit' }).click();
  await expect(page.locator('tbody tr')).toHaveCount(2);
  await page.getByRole('checkbox', { name: 'Choose all on this page' }).check();
  await page.getByRole('button', { name: 'Cancel (2)' }).click();
  await page.locator('.ant-popover').getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText('No job matches')).toBeVisible();
  await page.goto('/jobs');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download as CSV' }).click();
  const file = await (await download).path();
  const text = (await import('node:fs')).readFileSync(file, 'utf8');
  expect(text).toContain('job,name,state');
  expect(text.trim().split('\r\n')).toHaveLength(10);
});

test('a job: its files as curves, text and picture, a word in its output, its array', async ({ page }) => {
  await signIn(page, tenant.member, tenant.password);
  await page.goto(`/jobs/${tenant.job}`);
  await page.getByRole('textbox', { name: 'Find in the output' }).fill('ENERGY');
  await expect(page.locator('.log-find')).toContainText('30 places');
  await page.keyboard.press('Enter');
  await expect(page.locator('.log-find')).toContainText('1 of 30');
  await page.getByRole('link', { name: 'notes.txt', exact: true }).click();
  await expect(page.locator('.file-text')).toContainText('melted at last');
  await page.getByRole('link', { name: 'out/' }).click();
  await page.getByRole('link', { name: 'curve.csv', exact: true }).click();
  await expect(page.locator('.plot-curve')).toHaveCount(2);
  await page.getByRole('link', { name: 'picture.png', exact: true }).click();
  await expect.poll(() => page.locator('.file-view img').evaluate((img: HTMLImageElement) => img.naturalWidth)).toBe(2);
  await page.reload();
  await expect(page.locator('.file-view img')).toBeVisible();
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download curve.csv' }).click();
  expect((await download).suggestedFilename()).toBe('curve.csv');
  // A file is put beside them, and over an older one only when that is said.
  const give = (text: string) => page.locator('input[type=file]').setInputFiles([{ name: 'more.txt', mimeType: 'text/plain', buffer: Buffer.from(text) }]);
  await give('one');
  await expect(page.getByRole('link', { name: 'more.txt', exact: true })).toBeVisible();
  await give('two');
  await page.getByRole('dialog').getByRole('button', { name: 'Replace' }).click();
  await expect(page.locator('.bring')).toContainText('1 file is here');
  await page.getByRole('link', { name: 'more.txt', exact: true }).click();
  await expect(page.locator('.file-text')).toHaveText('two');
  await expect(page.locator('.timeline')).toContainText('out/more.txt');
  await page.goto(`/jobs/${tenant.array}_0`);
  await page.locator('.element', { hasText: '3' }).click();
  await expect(page.locator('.job-title .state')).toHaveText('Failed');
});

test('submitting: fields write lines, an earlier job is a pattern', async ({ page }) => {
  await signIn(page, tenant.member, tenant.password);
  await page.goto('/submit');
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill('by-fields');
  await page.getByRole('textbox', { name: 'Tasks' }).fill('2');
  const script = page.getByRole('textbox', { name: 'Job script' });
  await expect(script).toHaveValue(/#SBATCH --job-name=by-fields\n#SBATCH --ntasks=2\n/);
  await page.getByRole('combobox', { name: 'From an earlier job' }).click();
  await page.locator('.ant-select-item-option', { hasText: 'melt' }).click();
  await expect(script).toHaveValue(/curve\.csv/);
  await expect(page.getByRole('textbox', { name: 'Project' })).toHaveValue('melt');
  // What was said beside the script is said again, changed here and there.
  await page.getByRole('textbox', { name: '--comment' }).fill('the second of them');
  await page.getByRole('button', { name: 'Leave out requeue' }).click();
  await expect(page.locator('.is-chosen')).toBeVisible();
  const sent = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/v1/jobs'));
  await page.getByRole('button', { name: 'Submit' }).click();
  expect((await sent).postDataJSON()).toMatchObject({ project: 'melt', options: { comment: 'the second of them' } });
  await expect(page.getByText('the second of them')).toBeVisible();
});

test('the list is sorted by its headings and narrowed by priority, all in the address', async ({ page }) => {
  await signIn(page, tenant.member, tenant.password);
  await page.goto('/jobs');
  await page.locator('tbody tr').first().waitFor();
  const names = () => page.locator('tbody .name-cell > span:first-child').allTextContents();
  const heading = page.getByRole('columnheader', { name: 'Name' });
  await heading.getByRole('button').click();
  await expect(page).toHaveURL(/sort=name/);
  await expect(heading).toHaveAttribute('aria-sort', 'descending');
  await heading.getByRole('button').click();
  await expect(page).toHaveURL(/order=asc/);
  await expect.poll(async () => (await names()).join() === [...(await names())].sort().join()).toBe(true);
  await page.reload();
  await expect(heading).toHaveAttribute('aria-sort', 'ascending');
  await page.getByLabel('Priority').selectOption('Urgent');
  await expect(page).toHaveURL(/class=urgent/);
  await expect(page.getByText('No job matches')).toBeVisible();
});

test('files are brought, used by a job as its input, and removed', async ({ page }) => {
  await signIn(page, tenant.member, tenant.password);
  await page.goto('/files');
  await expect(page.getByText('No files here')).toBeVisible();
  // More than one piece, so that the offsets matter.
  const words = Buffer.alloc(3 * 1024 * 1024, 'water ');
  await page.locator('input[type=file]').setInputFiles([{ name: 'words.txt', mimeType: 'text/plain', buffer: words }]);
  await expect(page.getByText('1 file is here')).toBeVisible({ timeout: 30_000 });
  await expect(page.locator('tbody tr')).toContainText('3 MiB');
  await page.goto('/submit');
  await page.getByRole('textbox', { name: 'Job script' }).fill('#!/bin/bash\n#SBATCH --job-name=reads --time=1 --mem=32M\nwc -c < words.txt\n');
  await page.getByRole('textbox', { name: /Input files/ }).fill('words.txt');
  await expect(page.locator('.is-chosen')).toBeVisible();
  await page.getByRole('button', { name: 'Submit' }).click();
  await expect(page.locator('.log')).toContainText('3145728');
  await page.goto('/files');
  await page.getByRole('button', { name: 'Remove words.txt' }).click();
  await page.locator('.ant-popover').getByRole('button', { name: 'Remove' }).click();
  await expect(page.getByText('No files here')).toBeVisible();
});

test('money and account: a budget is set, a token made once and ended, a person added', async ({ page }) => {
  await signIn(page, tenant.owner, tenant.password);
  await page.goto('/money');
  await page.getByRole('button', { name: 'Set a budget' }).click();
  await page.getByRole('textbox', { name: 'Amount' }).fill('77.5');
  await page.locator('.ant-modal').getByText('Year').click();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.locator('.row', { hasText: '77.50' })).toContainText('Year');
  // No grant pays for this project: the wallet is held.
  const waits = '#!/bin/bash\n#SBATCH --job-name=waits --hold --mem=64M --time=1\ntrue\n';
  const sent = await page.request.post('/v1/jobs', { headers: { 'X-HW-CSRF': '1' }, data: { script: waits, project: 'melt' } });
  expect(sent.ok(), await sent.text()).toBe(true);
  await page.goto('/money');
  await page.getByText('What is set aside for which job').click();
  await expect(page.locator('.holds .row', { hasText: 'waits' })).toContainText('¥');
  await page.goto('/money/spend?by=line');
  await expect(page.locator('tbody tr', { hasText: 'General' })).toBeVisible();
  await page.goto('/account');
  await page.getByRole('button', { name: 'Make a token' }).click();
  const dialog = page.locator('.ant-modal');
  await dialog.getByRole('textbox', { name: 'What for' }).fill('night run');
  await dialog.getByRole('button', { name: 'Make a token' }).click();
  const secret = (await page.locator('.secret').textContent()) ?? '';
  expect((await page.request.get('/v1/session', { headers: { Authorization: `Bearer ${secret}`, Cookie: '' } })).status()).toBe(200);
  await dialog.getByText('Close', { exact: true }).click();
  const row = page.locator('tr', { hasText: 'night run' });
  await row.getByRole('button', { name: 'End' }).click();
  await page.locator('.ant-popover').getByRole('button', { name: 'End' }).click();
  await expect(row).toHaveCount(0);
  await page.getByRole('button', { name: 'Add a person' }).click();
  await dialog.getByRole('textbox', { name: 'Name' }).fill(`${tenant.name}-tao`);
  await dialog.locator('input[type=password]').fill('a password for tao');
  await dialog.getByRole('button', { name: 'Add a person' }).click();
  await expect(page.locator('tr', { hasText: `${tenant.name}-tao` }).first()).toContainText('Member');
});

test('a member sees no statements and changes nobody', async ({ page }) => {
  await signIn(page, tenant.member, tenant.password);
  await page.goto('/money/statements');
  await expect(page.getByText('Only owners of the tenant see this.')).toBeVisible();
  await page.goto('/account');
  await expect(page.getByRole('heading', { name: `People of ${tenant.name}` })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Add a person' })).toHaveCount(0);
});

test('by keyboard: go-to keys, the palette, the help; installable', async ({ page }) => {
  await signIn(page, tenant.member, tenant.password);
  await page.locator('.figure').waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('j');
  await expect(page).toHaveURL(/\/jobs$/);
  await page.keyboard.press('Control+k');
  await page.keyboard.type('transf');
  await expect(page.locator('.palette [aria-selected=true]')).toHaveCount(0);
  await page.getByRole('combobox', { name: 'Find and do' }).fill('movem');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/money\/transfers$/);
  // Jobs are found by how their names begin.
  await page.keyboard.press('Control+k');
  await page.keyboard.type('mel');
  await expect(page.locator('.palette')).toContainText(/\d+ melt/);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.keyboard.type(`${tenant.job}\n`);
  await expect(page).toHaveURL(new RegExp(`/jobs/${tenant.job}$`));
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await look(page, 'help');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toHaveCount(0);
  // The frame holds at every width between a phone and a desk.
  for (const width of [720, 960, 1280, 1440]) {
    await page.setViewportSize({ width, height: 800 });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), `${width}`).toBeLessThanOrEqual(0);
    expect((await page.locator('.search').boundingBox())?.width, `${width}`).toBeGreaterThanOrEqual(140);
    if (width >= 1280) expect(await page.locator('.nav').evaluate((nav) => nav.scrollWidth - nav.clientWidth), `${width}`).toBeLessThanOrEqual(0);
  }
  const manifest = await (await page.request.get('/manifest.webmanifest')).json() as { icons: { src: string }[] };
  for (const { src } of manifest.icons) expect((await page.request.get(src)).headers()['content-type']).toBe('image/png');
});

test('the end of a job is told through the browser where that is wanted', async ({ page, context }) => {
  await context.grantPermissions(['notifications']);
  // What would be shown is kept for the test; the page is one that nobody looks at.
  await page.addInitScript(() => {
    const told: string[] = [];
    Object.assign(window, { told });
    document.hasFocus = () => false;
    ServiceWorkerRegistration.prototype.showNotification = async (title: string, options?: NotificationOptions) => void told.push(`${title} | ${options?.body ?? ''}`);
  });
  await signIn(page, tenant.member, tenant.password);
  await page.goto('/account');
  await page.getByRole('button', { name: 'Turn on' }).click();
  await expect(page.getByRole('button', { name: 'Turn off' })).toBeVisible();
  await page.waitForFunction(async () => Boolean((await navigator.serviceWorker.ready).active));
  await expect(page.locator('.connection')).toHaveText('Live');
  const token = await page.request.post('/v1/jobs', {
    headers: { 'X-HW-CSRF': '1' },
    data: { script: '#!/bin/bash\n#SBATCH --job-name=told --time=1 --mem=32M\ntrue\n' },
  });
  expect(token.ok()).toBe(true);
  await expect.poll(() => page.evaluate(() => (window as unknown as { told: string[] }).told)).toEqual([expect.stringMatching(/^told: Completed \| Job \d+, charged /)]);
});
