// The tenant's pages against a real server with a tenant of its own: every page at desk size in English and light and at
// phone size in Chinese and dark, and what people do there.
import { expect, test, type Page } from '@playwright/test';

import { look } from './look';
import { seedTenant, type Tenant } from './seed';
import { signIn } from './sign-in';

test.skip(!process.env.HW_URL, 'needs a real server');

let tenant: Tenant;
test.beforeAll(async () => {
  test.setTimeout(60_000);
  tenant = await seedTenant(process.env.HW_USER ?? '', process.env.HW_PASSWORD ?? '');
});

const complaints: string[] = [];
const listen = (page: Page) => {
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
};
test.beforeEach(() => void (complaints.length = 0));
test.afterEach(() => expect(complaints).toEqual([]));

/** A statement as a closed month gives it; a new platform has no month that is over. */
const part = { hours: '12.5', charges: '120.5', refunds: '0', credits: '20', fees: '0', corrections: '0', due: '100.5' };
const STATEMENT = {
  number: 7, name: '2026-000007', month: '2026-10', tenant: '', tenant_name: 'lab', currency: 'CNY', opening: '1000', closing: '699.5', charges: '120.5', refunds: '0', fees: '200', corrections: '-20',
  grants: '0', top_ups: '0', withdrawals: '0', written_off: '0', due: '300.5', tax: '17.01', tax_ppm: 60000, transfers: 12, from: '2026-09-30T16:00:00Z', to: '2026-10-31T16:00:00Z', closed_at: '2026-11-02T01:00:00Z',
  projects: [{ ...part, name: 'melt' }], users: [{ ...part, name: 'mei' }], jobs: [{ ...part, name: 'melt', job: 'job_1', number: 12 }], truncated: false,
  corrections_made: [{ amount: '-20', at: '2026-10-12T00:00:00Z', by: 'admin', currency: 'CNY', reason: 'a node was slow', tenant_name: 'lab', transfer: 'tra_1' }],
};

const PAGES: [string, string, string][] = [
  ['home', '/', '.figure'],
  ['money', '/money', '.money .meter'],
  ['spend', '/money/spend', '.bars'],
  ['spend-months', '/money/spend?by=user&span=months', '.bars'],
  ['statements', '/money/statements', '.empty'],
  ['statement', '/money/statements/7', '.statement'],
  ['transfers', '/money/transfers', '.table tbody tr, .card'],
  ['account', '/account', '.account .table tbody tr, .account .card'],
];

for (const [size, language, theme] of [['desk', 'en', 'light'], ['phone', 'zh', 'dark']] as const) {
  test(`every page, ${size} ${language} ${theme}`, async ({ browser }) => {
    test.setTimeout(120_000);
    const phone = size === 'phone';
    const context = await browser.newContext({ viewport: phone ? { width: 390, height: 844 } : { width: 1440, height: 900 }, isMobile: phone, hasTouch: phone, reducedMotion: 'reduce' });
    const page = await context.newPage();
    listen(page);
    await page.addInitScript(([l, t]) => {
      localStorage.setItem('hw.language', l as string);
      localStorage.setItem('hw.theme', t as string);
    }, [language, theme]);
    await page.route('**/v1/statements/7*', (route) => route.fulfill({ json: STATEMENT }));
    await signIn(page, tenant.owner, tenant.password);
    for (const [name, path, marker] of PAGES) {
      await page.goto(path);
      await page.locator(marker).first().waitFor();
      await look(page, `${name}-${size}-${language}`);
    }
    await context.close();
  });
}
