// Draws the app's icons from src/icon.svg into public/icons; run by hand after a change of the mark.
// A maskable icon keeps the mark within the middle 80 % and its ground goes to the edges.
import { chromium } from '@playwright/test';
import { readFileSync } from 'node:fs';

const mark = readFileSync(new URL('../src/icon.svg', import.meta.url), 'utf8');
const full = mark.replace(/rx="\d+"/, '');
const browser = await chromium.launch({ executablePath: process.env.HW_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
for (const [name, size, svg, inset] of [
  ['icon-180', 180, full, 0],
  ['icon-192', 192, mark, 0],
  ['icon-512', 512, mark, 0],
  ['icon-maskable-512', 512, full, 0.12],
]) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  const pad = Math.round(size * inset);
  await page.setContent(`<body style="margin:0;background:${inset > 0 ? '#0b6080' : 'transparent'}"><div style="width:${size - 2 * pad}px;height:${size - 2 * pad}px;padding:${pad}px">${svg.replace('<svg ', '<svg width="100%" height="100%" ')}</div></body>`);
  await page.screenshot({ path: new URL(`../public/icons/${name}.png`, import.meta.url).pathname, omitBackground: true });
}
await browser.close();
