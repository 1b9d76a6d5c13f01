// Pictures of every page at desk and phone size, in both languages, light and dark, for a person to look at.
// They go to HW_SHOTS (default /tmp/headworks-shots), never into the repository. Runs against the mock server.
import { expect, test, type Page } from '@playwright/test';

import { signIn } from './sign-in';

const OUT = process.env.HW_SHOTS ?? '/tmp/headworks-shots';
const SIZES = { desk: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } } as const;
const LOOKS = [
  { language: 'en', theme: 'light' },
  { language: 'zh', theme: 'dark' },
  { language: 'zh', theme: 'light' },
  { language: 'en', theme: 'dark' },
] as const;
const FAULTY = '#!/bin/bash\n#SBATCH --job-name=melt\n#SBATCH --ntaks=4\n#SBATCH --ntasks=four\n#SBATCH --time=30\n\nmpirun lmp -in melt.in\n';

test.skip(Boolean(process.env.HW_URL), 'pictures are taken of canned data');

const PAGES: [string, string, string, ((page: Page) => Promise<void>)?][] = [
  ['home', '/', 'h1'],
  ['jobs', '/jobs', '.table tbody tr, .card'],
  ['jobs-none', '/jobs?name=nothing', '.empty'],
  ['job-running', '/jobs/1042', '.log-block'],
  ['job-waiting', '/jobs/1044', '.note-wait'],
  ['job-failed', '/jobs/1038', '.log-block'],
  ['job-missing', '/jobs/999999', '.empty'],
  ['pools', '/pools', '.pools .panel'],
  ['submit', '/submit', 'textarea', async (page) => {
    await page.locator('textarea').fill('#!/bin/bash\n#SBATCH --job-name=melt   # Lennard-Jones\n#SBATCH --ntasks=4\n#SBATCH --mem=8G\n#SBATCH --time=30\n\nmodule load lammps\nmpirun lmp -in melt.in\n');
    await page.locator('.is-chosen').first().waitFor();
    await page.waitForTimeout(500);
  }],
  ['submit-faults', '/submit', 'textarea', async (page) => {
    await page.locator('textarea').fill(FAULTY);
    await page.locator('.marks-fault').waitFor();
  }],
  ['nowhere', '/no/such/page', '.empty'],
];

for (const { language, theme } of LOOKS) {
  for (const [size, viewport] of Object.entries(SIZES)) {
    test(`pictures ${size} ${language} ${theme}`, async ({ browser }) => {
      const touch = size === 'phone';
      const page = await browser.newPage({ viewport, isMobile: touch, hasTouch: touch });
      await page.addInitScript(([l, t]) => {
        localStorage.setItem('hw.language', l as string);
        localStorage.setItem('hw.theme', t as string);
      }, [language, theme]);
      await page.goto('/login');
      await page.locator('input[name=username]').waitFor();
      await page.screenshot({ path: `${OUT}/login-${size}-${language}-${theme}.png` });
      await signIn(page, 'demo', 'demo');
      for (const [name, path, marker, prepare] of PAGES) {
        await page.goto(path);
        await page.locator(marker).first().waitFor();
        await prepare?.(page);
        await page.waitForTimeout(400);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(wide, `${name} is wider than the screen`).toBeLessThanOrEqual(0);
        await page.screenshot({ path: `${OUT}/${name}-${size}-${language}-${theme}.png`, fullPage: name !== 'jobs' && !touch });
        if (touch && (await page.evaluate(() => document.documentElement.scrollHeight > 900))) {
          await page.evaluate(() => window.scrollTo(0, 700));
          await page.waitForTimeout(100);
          await page.screenshot({ path: `${OUT}/${name}-${size}-${language}-${theme}-2.png` });
        }
      }
    });
  }
}
