// The typed client of the API: same origin, cookie session, the CSRF header on what changes something.
import createClient, { type Middleware } from 'openapi-fetch';

import { ApiProblem } from './problem';
import type { paths } from './schema';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

const headers: Middleware = {
  onRequest({ request }) {
    if (!SAFE.has(request.method)) request.headers.set('X-HW-CSRF', '1');
    return request;
  },
};

// `fetch` is looked up at each call, so that tests and later wrappers can replace it.
export const api = createClient<paths>({ baseUrl: '', credentials: 'same-origin', fetch: (request) => fetch(request) });
api.use(headers);

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The answer's data, or an `ApiProblem` thrown. */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  let got: Answer<T>;
  try {
    got = await answer;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw ApiProblem.offline(error);
  }
  if (!got.response.ok) throw ApiProblem.from(got.response.status, got.error);
  return got.data as T;
}

/** A key under which a POST may be repeated: 128 random bits. `crypto.randomUUID` is missing on plain-HTTP origins. */
export function idempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `web-${[...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')}`;
}
