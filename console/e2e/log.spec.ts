// An output of 100 MB: the page opens at its end, finds what is at its beginning, and stays small.
import { expect, test } from '@playwright/test';

import { call, RUN } from './operate-seed';
import { signIn } from './sign-in';

test.skip(!process.env.HW_URL, 'needs a real server');

const MB = 1_000_000;
const SCRIPT = `#!/bin/bash
#SBATCH --job-name=talker-${RUN}
#SBATCH --mem=64M
#SBATCH --time=5
echo "first words ${RUN}"
yes 'step 0000 energy -1.2345 temperature 300.1 pressure 1.013 volume 12.5' | head -c ${100 * MB}
echo
echo "last words ${RUN}"
`;

test('a log of 100 MB is followed and searched', async ({ page }) => {
  await signIn(page, process.env.HW_USER ?? 'admin', process.env.HW_PASSWORD ?? '');
  const { number } = await call<{ number: number }>(page, 'POST', '/v1/jobs', { script: SCRIPT });
  await page.goto(`/jobs/${number}`);
  await expect(page.locator('.job-title .state')).toHaveText('Completed', { timeout: 60_000 });
  const opened = Date.now();
  await page.goto(`/jobs/${number}`);
  await expect(page.locator('.log')).toContainText(`last words ${RUN}`);
  await expect(page.locator('.log-foot')).toContainText('Complete, 95');
  const open = Date.now() - opened;
  await page.getByRole('textbox', { name: 'Find in the output' }).fill(`FIRST words ${RUN}`);
  await expect(page.locator('.log-find')).toContainText('not found');
  const asked = Date.now();
  await page.getByRole('button', { name: 'Search all of it' }).click();
  await expect(page.locator('.log-whole')).toContainText('1 place');
  const find = Date.now() - asked;
  await page.locator('.log-whole li button').click();
  await expect(page.locator('.log')).toContainText(`first words ${RUN}`);
  await expect(page.locator('.log-find')).toContainText('1 of 1');
  await page.getByRole('button', { name: 'Show what comes next' }).click();
  await expect(page.locator('.log-block').nth(20)).toBeAttached();
  await page.getByRole('button', { name: 'Go to the end' }).click();
  await expect(page.locator('.log')).toContainText(`last words ${RUN}`);
  const client = await page.context().newCDPSession(page);
  await client.send('HeapProfiler.collectGarbage');
  const { usedSize } = (await client.send('Runtime.getHeapUsage')) as { usedSize: number };
  console.log(`a log of 100 MB: shown in ${open} ms, looked through in ${find} ms, the page holds ${Math.round(usedSize / MB)} MB`);
  expect(usedSize).toBeLessThan(100 * MB);
});
