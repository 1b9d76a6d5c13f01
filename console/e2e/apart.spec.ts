// Tenants apart: somebody of another tenant is shown nothing of a tenant, neither by the page nor by the API with the page's cookie.
import { expect, test, type Page } from '@playwright/test';

import { seedTenant, seedUser, type Tenant } from './seed';
import { signIn } from './sign-in';

test.skip(!process.env.HW_URL, 'needs a real server');
test.describe.configure({ mode: 'serial' });

let ours: Tenant;
let page: Page;
/** Ids that the tenant's own people know, by the name of the path's part that takes them. */
let known: Record<string, string>;

interface Listed {
  items: Record<string, string | number>[];
}

test.beforeAll(async ({ browser }) => {
  const [admin, password] = [process.env.HW_USER ?? '', process.env.HW_PASSWORD ?? ''];
  ours = await seedTenant(admin, password);
  const rival = await seedUser(admin, password, `rival-${Date.now().toString(36)}`);
  const mine = await browser.newPage();
  await signIn(mine, ours.owner, ours.password);
  const first = async (path: string, key: string) => String(((await (await mine.request.get(path)).json()) as Listed).items[0]?.[key] ?? '1');
  known = {
    job: ours.job,
    tenant: ours.name,
    user: ours.member,
    project: 'melt',
    budget: await first(`/v1/tenants/${ours.name}/budgets`, 'number'),
    grant: await first(`/v1/tenants/${ours.name}/grants`, 'number'),
    contract: await first(`/v1/tenants/${ours.name}/contracts`, 'number'),
    token: await first('/v1/tokens', 'id'),
  };
  await mine.close();
  page = await browser.newPage();
  await signIn(page, rival.name, rival.password);
});
test.afterAll(() => page.close());

test('the page shows another tenant neither jobs nor money', async () => {
  for (const address of [`/jobs/${ours.job}`, `/jobs/${ours.array}_0`]) {
    await page.goto(address);
    await expect(page.locator('.empty')).toBeVisible();
  }
  await page.goto(`/submit?from=${ours.job}`);
  await expect(page.getByRole('textbox', { name: 'Job script' })).toBeVisible();
  await expect(page.getByRole('textbox', { name: 'Job script' })).not.toHaveValue(/melted/);
  for (const address of ['/', '/jobs', `/jobs?user=${ours.member}`, `/jobs?array=${ours.array}`, '/money', '/money/spend', '/money/transfers', '/files', '/account', `/operate/tenants/${ours.name}`]) {
    await page.goto(address);
    await expect(page.locator('.loading')).toHaveCount(0);
    const shown = await page.locator('body').innerText();
    expect(shown, address).not.toContain(ours.name);
    expect(shown, address).not.toMatch(/\bmelt\b|\bsweep\b|starter credit/);
  }
});

test('the API with the cookie of the page answers nothing of another tenant', async () => {
  type Operation = { operationId: string; requestBody?: unknown };
  const document = (await (await page.request.get('/v1/openapi.json')).json()) as { paths: Record<string, Record<string, Operation>> };
  let asked = 0;
  for (const [path, operations] of Object.entries(document.paths)) {
    const parts = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1] as string);
    // Nothing is called that ends this very session or holds the line open.
    if (/session|login|oidc|follow|\/events$|openapi/.test(path) || parts.some((part) => !(part in known))) continue;
    const address = path.replace(/\{(\w+)\}/g, (_, part: string) => encodeURIComponent(known[part] as string));
    for (const method of ['get', 'post', 'put', 'patch', 'delete']) {
      if (!operations[method] || (parts.length === 0 && method !== 'get')) continue;
      const queries = parts.length === 0 ? ['', `?tenant=${ours.name}`] : [''];
      for (const query of queries) {
        const answer = await page.request.fetch(address + query, {
          method,
          headers: { 'X-HW-CSRF': '1' },
          ...(operations[method].requestBody ? { data: {} } : {}),
        });
        asked += 1;
        const what = `${method} ${address}${query}: ${answer.status()}`;
        if (parts.length > 0) expect(answer.status(), what).toBeGreaterThanOrEqual(400);
        expect(answer.status(), what).toBeLessThan(500);
        if (answer.ok()) expect(await answer.text(), what).not.toContain(ours.name);
      }
    }
  }
  expect(asked).toBeGreaterThan(60);
});

test('nothing of it has changed by all that', async ({ browser }) => {
  const mine = await browser.newPage();
  await signIn(mine, ours.member, ours.password);
  await mine.goto(`/jobs/${ours.held}`);
  await expect(mine.locator('.job-title .state')).toHaveText('Held');
  await mine.goto(`/jobs/${ours.job}`);
  await expect(mine.locator('.job-title .state')).toHaveText('Completed');
  await mine.close();
});
