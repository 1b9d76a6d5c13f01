// Every question the pages ask, with the key under which its answer is kept. Knows the API, not the pages.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';

import { api, unwrap } from './client';
import { ApiProblem } from './problem';
import type { paths } from './schema';
import type { JobSubmit, JobSummary } from './types';

export type JobSort = NonNullable<NonNullable<paths['/v1/jobs']['get']['parameters']['query']>['sort']>;

export interface JobFilter {
  state?: string | undefined;
  name_prefix?: string | undefined;
  user?: string | undefined;
  pool?: string | undefined;
  project?: string | undefined;
  array?: string | undefined;
  cluster?: string | undefined;
  class?: string | undefined;
  sort?: JobSort | undefined;
  order?: 'asc' | undefined;
  submitted_after?: string | undefined;
  submitted_before?: string | undefined;
  open?: boolean | undefined;
  cursor?: string | undefined;
  limit?: number;
}

/** Jobs of one page of the list: what fits a few screens and stays quick to refresh live. */
export const JOBS_PAGE = 50;
/** Events fetched at once for a timeline; ordinary jobs have about eight. */
const EVENTS_PAGE = 200;
/** Pools fetched for the overview. */
const POOLS_PAGE = 200;
/** The quote is kept as good for this long; prices and free room move. */
const QUOTE_STALE_MS = 10_000;

const defined = <T extends object>(query: T): T =>
  Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined && value !== '')) as T;

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: ({ signal }) => unwrap(api.GET('/v1/session', { signal })),
  staleTime: 5 * 60_000,
});

/** How one can sign in beside a name and a password. */
export const signInWaysQuery = queryOptions({
  queryKey: ['sign-in-ways'],
  queryFn: ({ signal }) => unwrap(api.GET('/v1/session/ways', { signal })),
  staleTime: Number.POSITIVE_INFINITY,
});

export const jobsQuery = (filter: JobFilter) =>
  queryOptions({
    queryKey: ['jobs', filter],
    queryFn: ({ signal }) =>
      unwrap(api.GET('/v1/jobs', { params: { query: defined({ limit: JOBS_PAGE, ...filter }) }, signal })),
    placeholderData: keepPreviousData,
  });

/** The job as it was handed in: its script and what was said beside it. */
export const submissionQuery = (job: string) =>
  queryOptions({
    queryKey: ['submission', job],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/jobs/{job}/submission', { params: { path: { job } }, signal })),
    staleTime: Number.POSITIVE_INFINITY,
  });

/** Elements of an array that its grid shows: two pages of the largest size. */
const ELEMENTS_MAX = 2000;

export const arrayQuery = (array: string) =>
  queryOptions({
    queryKey: ['jobs', 'array', array],
    queryFn: async ({ signal }) => {
      const items: JobSummary[] = [];
      let cursor: string | undefined;
      do {
        const page = await unwrap(api.GET('/v1/jobs', { params: { query: defined({ array, limit: 1000, cursor }) }, signal }));
        items.push(...page.items);
        cursor = page.next_cursor ?? undefined;
      } while (cursor && items.length < ELEMENTS_MAX);
      return { items, next_cursor: cursor };
    },
  });

export const jobQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/jobs/{job}', { params: { path: { job } }, signal })),
  });

export const jobEventsQuery = (job: string) =>
  infiniteQueryOptions({
    queryKey: ['job', job, 'events'],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.GET('/v1/jobs/{job}/events', {
          params: { path: { job }, query: defined({ limit: EVENTS_PAGE, cursor: pageParam || undefined }) },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });

/** Metered intervals: a minute each; of a job that runs longer than this many, sums are not told. */
const INTERVALS = 1000;

export const intervalsQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'intervals'],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/jobs/{job}/intervals', { params: { path: { job }, query: { limit: INTERVALS } }, signal })),
  });

export const explainQuery = (job: string) =>
  queryOptions({
    queryKey: ['job', job, 'explain'],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/jobs/{job}/explain', { params: { path: { job } }, signal })),
  });

export const scriptQuery = (job: string) =>
  queryOptions({
    queryKey: ['script', job],
    queryFn: ({ signal }) =>
      unwrap(api.GET('/v1/jobs/{job}/script', { params: { path: { job } }, parseAs: 'text', signal })) as Promise<string>,
    staleTime: Infinity,
  });

export const poolsQuery = queryOptions({
  queryKey: ['pools'],
  queryFn: ({ signal }) => unwrap(api.GET('/v1/pools', { params: { query: { limit: POOLS_PAGE } }, signal })),
});

/** What clusters say of themselves is told to operators and auditors only. */
export const clustersQuery = queryOptions({
  queryKey: ['clusters'],
  queryFn: ({ signal }) => unwrap(api.GET('/v1/clusters', { params: { query: { limit: POOLS_PAGE } }, signal })),
});

export const walletQuery = (tenant: string) =>
  queryOptions({
    queryKey: ['wallet', tenant],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/wallet', { params: { path: { tenant } }, signal })),
  });

export const quoteQuery = (body: JobSubmit) =>
  queryOptions({
    queryKey: ['quote', body],
    queryFn: ({ signal }) => unwrap(api.POST('/v1/jobs/quote', { body, signal })),
    enabled: body.script.trim() !== '',
    placeholderData: keepPreviousData,
    staleTime: QUOTE_STALE_MS,
  });

/** Three tries in all for what may pass by itself; a refusal stays one. */
export const shouldRetry = (failures: number, error: unknown): boolean =>
  failures < 2 && (!(error instanceof ApiProblem) || error.passing);
