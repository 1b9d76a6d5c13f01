// Pages as people have them open: on a desk or a phone, in a language, light or dark; and what such a page complains of.
import type { Browser, Page } from '@playwright/test';

export type Size = 'desk' | 'phone';

/** A page of its own, with cookies of its own. */
export async function openPage(browser: Browser, size: Size, language: string, theme: string): Promise<Page> {
  const phone = size === 'phone';
  const context = await browser.newContext({ viewport: phone ? { width: 390, height: 844 } : { width: 1440, height: 900 }, isMobile: phone, hasTouch: phone, reducedMotion: 'reduce' });
  const page = await context.newPage();
  await page.addInitScript(([l, t]) => {
    localStorage.setItem('hw.language', l as string);
    localStorage.setItem('hw.theme', t as string);
  }, [language, theme]);
  return page;
}

/** Keeps the faults of a page's scripts and what it writes as an error, but for answers that are refused on purpose. */
export function listen(page: Page, complaints: string[]): void {
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
}
