// What the operator's tests need on a real server, made through its API with the cookie of the page that is signed in.
import { expect, type Page } from '@playwright/test';

/** One run's own names: tests may run again on the same server. */
export const RUN = Date.now().toString(36);
let sent = 0;

export async function call<T>(page: Page, method: 'GET' | 'POST' | 'PUT', path: string, data?: unknown): Promise<T> {
  const headers = { 'X-HW-CSRF': '1', 'Idempotency-Key': `seed-${RUN}-${sent++}` };
  const answer = await page.request.fetch(path, { method, headers, ...(data === undefined ? {} : { data }) });
  expect(answer.ok(), `${method} ${path}: ${answer.status()} ${await answer.text()}`).toBe(true);
  return (await answer.json()) as T;
}

export interface Seed {
  /** A tenant with money, and its owner's password. */
  tenant: string;
  owner: string;
  password: string;
  /** The cluster and pool that the server came with. */
  cluster: string;
  pool: string;
  node: string;
}

export async function seed(page: Page): Promise<Seed> {
  const tenant = `lab-${RUN}`;
  const owner = `lin-${RUN}`;
  const password = `a-long-password-${RUN}`;
  await call(page, 'POST', '/v1/tenants', { name: tenant, credit_limit: '1000' });
  await call(page, 'POST', `/v1/tenants/${tenant}/wallet/top-ups`, { amount: '5000', memo: 'seed' });
  await call(page, 'POST', '/v1/users', { name: owner, tenant, role: 'owner', password });
  const pools = await call<{ items: { name: string; cluster_name: string; cluster_service: string; nodes: { name: string }[] }[] }>(page, 'GET', '/v1/pools');
  const pool = pools.items.find(({ cluster_service, nodes }) => cluster_service === 'in_service' && nodes.length > 0);
  await call(page, 'POST', '/v1/jobs', { script: `#!/bin/sh\n#SBATCH --job-name=held-${RUN}\n#SBATCH --hold\n#SBATCH --time=5\nsleep 1\n` });
  return { tenant, owner, password, cluster: pool?.cluster_name ?? '', pool: pool?.name ?? '', node: pool?.nodes[0]?.name ?? '' };
}
