// Every page of the operator at both sizes and in both languages, over what the other tests have left on the server.
import { expect, test, type Page } from '@playwright/test';

import { listen, openPage } from './browser';
import { look } from './look';
import { signIn } from './sign-in';

test.skip(!process.env.HW_URL, 'needs a real server');

/** Addresses with what is seen there when it is there; `{…}` stands for the first name or number that a list of the API gives. */
const PAGES: [string, string, string][] = [
  ['overview', '/operate', '.big-figure'],
  ['clusters', '/operate/clusters', '.operate-page .table tbody tr, .operate-page .card, .operate-page .panel'],
  ['register', '/operate/clusters/register', '[name=name]'],
  ['cluster', '/operate/clusters/{/v1/clusters name}', '.heat-node, .operate-page .panel'],
  ['placement', '/operate/placement', '.operate-page .panel'],
  ['policy', '/operate/placement?tab=policy', 'textarea'],
  ['versions', '/operate/placement?tab=versions', '.operate-page .panel'],
  ['twin', '/operate/twin', '.operate-page .panel'],
  ['twin-new', '/operate/twin/new', 'textarea'],
  ['margin', '/operate/business?by=pool&and=mode&period=year', '.operate-page .panel'],
  ['pools', '/operate/business/pools', '.operate-page .panel'],
  ['mix', '/operate/business/mix', '.operate-page .panel'],
  ['earners', '/operate/business/tenants', '.operate-page .panel'],
  ['ageing', '/operate/business/ageing', '.operate-page .panel'],
  ['contracts', '/operate/business/contracts', '.operate-page .panel'],
  ['contract', '/operate/business/contracts/{/v1/contracts number}', '.operate-page .panel'],
  ['grants', '/operate/business/grants', '.operate-page .panel'],
  ['suppliers', '/operate/business/suppliers', '.operate-page .panel'],
  ['settlement', '/operate/business/settlements/{/v1/settlements number}', '.operate-page .panel'],
  ['prices', '/operate/business/prices', '.operate-page .panel'],
  ['sizing', '/operate/business/sizing', '[name=sold_hour]'],
  ['statements', '/operate/business/statements', '.operate-page .panel'],
  ['tenants', '/operate/tenants', '.operate-page .panel'],
  ['tenant', '/operate/tenants/{/v1/tenants name}', '.figure'],
  ['users', '/operate/users', '.operate-page .panel'],
  ['audit', '/operate/audit', '.operate-page .panel'],
];

/** The address with the first of each list in it; nothing where the list is empty. */
async function address(page: Page, pattern: string): Promise<string | undefined> {
  const [, list, key] = /\{(\S+) (\w+)\}/.exec(pattern) ?? [];
  if (!list || !key) return pattern;
  const answer = (await (await page.request.get(list)).json()) as { items: Record<string, string | number>[] };
  const first = answer.items[0]?.[key];
  return first === undefined ? undefined : pattern.replace(/\{.*\}/, String(first));
}

for (const [size, language, theme] of [
  ['desk', 'zh', 'dark'],
  ['phone', 'en', 'light'],
  ['phone', 'zh', 'dark'],
] as const) {
  test(`every page of the operator, ${size} ${language} ${theme}`, async ({ browser }) => {
    test.setTimeout(240_000);
    const page = await openPage(browser, size, language, theme);
    const complaints: string[] = [];
    listen(page, complaints);
    await signIn(page, process.env.HW_USER ?? 'admin', process.env.HW_PASSWORD ?? '');
    for (const [name, pattern, marker] of PAGES) {
      const to = await address(page, pattern);
      if (!to) continue;
      await page.goto(to);
      await page.locator(marker).first().waitFor();
      await look(page, `sweep-${name}-${size}-${language}`);
      // A word of the catalogue that nobody wrote shows as its key.
      expect(await page.locator('main').innerText(), name).not.toMatch(/\b(op|opBiz|opPeople|opCluster|mode|common|job|log)\.(\w|-)+/);
    }
    expect(complaints).toEqual([]);
    await page.context().close();
  });
}
