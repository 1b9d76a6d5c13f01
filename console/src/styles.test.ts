// Colours in light and dark: every pair of text and ground used together reads at 4.5 : 1 or better (WCAG 2.2, 1.4.3).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const css = readFileSync(new URL('./styles.css', import.meta.url), 'utf8');

function colours(theme: 'light' | 'dark'): Map<string, string> {
  const block = new RegExp(`\\[data-theme='${theme}'\\] \\{([^}]*)\\}`).exec(css)?.[1] ?? '';
  return new Map([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map((m) => [m[1] as string, m[2] as string]));
}

/** Relative luminance (WCAG 2.2, definition). */
function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5]
    .map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
const contrast = (a: string, b: string) => {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (high + 0.05) / (low + 0.05);
};

const GROUNDS = ['ground', 'panel', 'raised'];
const PAIRS: [string, string][] = [
  ...['text', 'faint', 'accent', 'wait', 'bad', 'good'].flatMap((text) => GROUNDS.map((ground) => [text, ground] as [string, string])),
  ...['wait', 'hold', 'run', 'good', 'bad', 'off'].map((tone) => [tone, `${tone}-ground`] as [string, string]),
  ...['wait-ground', 'bad-ground', 'accent-ground'].map((ground) => ['text', ground] as [string, string]),
  ['faint', 'accent-ground'],
  ['faint', 'bad-ground'],
  ['accent', 'accent-ground'],
  ['good', 'accent-ground'],
  ['on-accent', 'accent'],
  ['log-text', 'log-ground'],
  ['log-faint', 'log-ground'],
  ...['comment', 'directive', 'option', 'value'].flatMap((text) => ['panel', 'bad-ground', 'wait-ground'].map((ground) => [text, ground] as [string, string])),
];

test.each(['light', 'dark'] as const)('%s', (theme) => {
  const colour = colours(theme);
  const get = (name: string) => colour.get(name) ?? expect.fail(`no colour ${name}`);
  const low = PAIRS.map(([text, ground]) => ({ text, ground, ratio: contrast(get(text), get(ground)) })).filter(({ ratio }) => ratio < 4.5);
  expect(low).toEqual([]);
  // The edges of fields (1.4.11).
  for (const ground of GROUNDS.slice(1)) expect(contrast(get('field'), get(ground))).toBeGreaterThanOrEqual(3);
});

test('both themes have the same colours', () => {
  expect([...colours('light').keys()]).toEqual([...colours('dark').keys()]);
});
