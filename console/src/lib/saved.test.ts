import { expect, test } from 'vitest';

import { sameSearch, viewsIn } from './saved';

test('only views come out of what was stored', () => {
  expect(viewsIn([{ name: 'mine', search: { user: 'mei', n: 1 } }, { name: '' }, null, 'x', { name: 'y', search: null }])).toEqual([{ name: 'mine', search: { user: 'mei' } }]);
  expect(viewsIn({})).toEqual([]);
});

test('questions are the same whatever their order and page', () => {
  expect(sameSearch({ view: 'failed', user: 'mei', cursor: 'x' }, { user: 'mei', view: 'failed', pool: undefined })).toBe(true);
  expect(sameSearch({ view: 'failed' }, { view: 'running' })).toBe(false);
});
