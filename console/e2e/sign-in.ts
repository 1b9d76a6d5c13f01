// Signing in through the page, as everybody does.
import type { Page } from '@playwright/test';

export async function signIn(page: Page, name: string, password: string): Promise<void> {
  await page.goto('/login');
  await page.locator('input[name=username]').fill(name);
  await page.locator('input[name=password]').fill(password);
  await page.locator('button[type=submit]').click();
  await page.waitForURL((url) => url.pathname !== '/login');
}
