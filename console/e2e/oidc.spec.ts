// Signing in at a real OpenID Connect provider (`dev/provider.mjs`), which HW_OIDC names; without one there is no button.
import { expect, test, type Page } from '@playwright/test';

const label = process.env.HW_OIDC;

/** The provider's own pages: whatever name is typed is vouched for, once one has agreed. */
async function vouchFor(page: Page, name: string) {
  await page.locator('input[name=login]').fill(name);
  await page.locator('input[name=password]').fill('anything');
  await page.getByRole('button', { name: 'Sign-in' }).click();
  await page.getByRole('button', { name: 'Continue' }).click();
}

test('without a provider there is no button', async ({ page }) => {
  test.skip(Boolean(label), 'a provider is named');
  await page.goto('/login');
  await expect(page.locator('input[name=username]')).toBeVisible();
  await expect(page.locator('.login-other')).toHaveCount(0);
});

test('a user whom the provider vouches for is in, and where they wanted to go', async ({ page }) => {
  test.skip(!label, 'needs a provider');
  await page.goto('/pools');
  await page.getByRole('link', { name: `Sign in with ${label}` }).click();
  await vouchFor(page, process.env.HW_USER ?? 'admin');
  await expect(page).toHaveURL(/\/pools$/);
  await expect(page.locator('.pools .panel').first()).toBeVisible();
  expect(await page.evaluate(() => document.cookie)).toBe('');
});

test('nobody else comes in, and a sign-in counts once and in its own browser', async ({ page, browser }) => {
  test.skip(!label, 'needs a provider');
  const answers: string[] = [];
  page.on('request', (request) => {
    if (request.url().includes('/v1/session/oidc/callback')) answers.push(request.url());
  });
  await page.goto('/login');
  await page.getByRole('link', { name: `Sign in with ${label}` }).click();
  await vouchFor(page, 'stranger');
  await expect(page).toHaveURL(/\/login\?failed=unknown_user$/);
  await expect(page.getByRole('alert')).toContainText('no user here');
  for (const other of [page, await (await browser.newContext()).newPage()]) {
    await other.goto(answers[0] ?? '');
    await expect(other).toHaveURL(/\/login\?failed=flow$/);
    await expect(other.getByRole('alert')).toContainText('begin again');
  }
});
