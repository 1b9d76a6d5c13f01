// The client: the header on what changes something, problems as problems, the list patched by events only where it changed.
import { afterEach, expect, test, vi } from 'vitest';

import { api, idempotencyKey, unwrap } from './client';
import { withStates } from './live';
import { ApiProblem } from './problem';
import { shouldRetry } from './queries';
import type { JobState, JobSummary } from './types';

const answer = (status: number, body: unknown) =>
  vi.fn((_: Request) => Promise.resolve(new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/problem+json' } })));

// Relative addresses need a page in browsers and something to stand on here.
vi.stubGlobal('Request', class extends Request {
  constructor(input: RequestInfo | URL, init?: RequestInit) {
    super(typeof input === 'string' && input.startsWith('/') ? `http://page${input}` : input, init);
  }
});
afterEach(() => vi.unstubAllGlobals());

test('unsafe requests carry the header, safe ones do not; refusals become problems', async () => {
  const fetched = answer(409, { code: 'wrong_state', status: 409, detail: 'it has ended', request_id: 'req_1' });
  vi.stubGlobal('fetch', fetched);
  const path = { params: { path: { job: '7' } } };
  const refused = await unwrap(api.POST('/v1/jobs/{job}/cancel', { ...path, baseUrl: 'http://page' })).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ApiProblem);
  expect(refused).toMatchObject({ code: 'wrong_state', status: 409, detail: 'it has ended', passing: false });
  await unwrap(api.GET('/v1/jobs/{job}', { ...path, baseUrl: 'http://page' })).catch(() => undefined);
  const [post, get] = fetched.mock.calls.map(([request]) => request);
  expect(post?.headers.get('X-HW-CSRF')).toBe('1');
  expect(post?.url).toBe('http://page/v1/jobs/7/cancel');
  expect(get?.headers.get('X-HW-CSRF')).toBeNull();
});

test('a server that does not answer is a problem that may pass', async () => {
  vi.stubGlobal('fetch', vi.fn(() => Promise.reject(new TypeError('fetch failed'))));
  const problem = await unwrap(api.GET('/v1/session', { baseUrl: 'http://page' })).catch((error: unknown) => error);
  expect(problem).toMatchObject({ code: 'offline', status: 0, passing: true });
  expect(shouldRetry(0, problem)).toBe(true);
  expect(shouldRetry(2, problem)).toBe(false);
  expect(shouldRetry(0, ApiProblem.from(403, { code: 'forbidden' }))).toBe(false);
});

test('keys are long, visible and never the same', () => {
  const keys = Array.from({ length: 100 }, idempotencyKey);
  expect(new Set(keys).size).toBe(100);
  for (const key of keys) expect(key).toMatch(/^web-[0-9a-f]{32}$/);
});

test('events change the states they tell and leave other lists alone', () => {
  const job = (id: string, state: JobState) => ({ id, state, reason: { code: 'queued', text_en: '', text_zh: '' } }) as unknown as JobSummary;
  const page = { items: [job('a', 'PENDING'), job('b', 'RUNNING')], next_cursor: null };
  const states = new Map<string, JobState>([['a', 'RUNNING']]);
  const told = withStates(page, states).items;
  expect(told.map((j) => j.state)).toEqual(['RUNNING', 'RUNNING']);
  expect([told[0]?.reason, told[1]]).toEqual([null, page.items[1]]);
  expect(withStates(page, new Map<string, JobState>([['b', 'RUNNING'], ['z', 'FAILED']]))).toBe(page);
  expect(withStates(undefined, states)).toBeUndefined();
});
