import { expect, test } from 'vitest';

import { matching, pressed, SECOND_MS } from './keys';

test('g and a letter lead to a page, while the g is fresh', () => {
  expect(pressed('g', undefined, 0)).toEqual({ wait: true });
  expect(pressed('j', { key: 'g', at: 0 }, 100)).toEqual({ go: '/jobs' });
  expect(pressed('j', { key: 'g', at: 0 }, SECOND_MS + 1)).toBeUndefined();
  expect(pressed('j', { key: 'x', at: 0 }, 1)).toBeUndefined();
  expect(pressed('z', { key: 'g', at: 0 }, 1)).toBeUndefined();
  expect(pressed('g', { key: 'g', at: 0 }, 1)).toEqual({ wait: true });
});

test('entries are found by any of their words, beginnings first', () => {
  const entries = [
    { key: 'a', label: 'All jobs', also: '作业' },
    { key: 'b', label: 'Jobs that failed' },
    { key: 'c', label: 'Pools' },
  ];
  expect(matching(entries, 'jobs').map((e) => e.key)).toEqual(['b', 'a']);
  expect(matching(entries, '作业').map((e) => e.key)).toEqual(['a']);
  expect(matching(entries, 'JOBS all').map((e) => e.key)).toEqual(['a']);
  expect(matching(entries, ' ').length).toBe(3);
  expect(matching(entries, 'x')).toEqual([]);
});
