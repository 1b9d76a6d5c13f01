// What the operator's pages ask, with the keys under which answers are kept. Knows the API, not the pages.
import { keepPreviousData, queryOptions } from '@tanstack/react-query';

import { api, idempotencyKey, unwrap } from '../api/client';
import type { components } from '../api/schema';

export type Schemas = components['schemas'];

/** Rows of one page of a list. */
export const PAGE = 100;
/** Everything of what there are few: clusters, sites, suppliers, price books. */
export const ALL = 1000;
/** Pages that are looked at from afar ask anew this often. */
export const CALM_MS = 20_000;
/** What moves while it is looked at is asked for this often. */
export const LIVE_MS = 1_000;

/** The header under which a change may be sent again without being done twice. */
export const once = () => ({ 'Idempotency-Key': idempotencyKey() });

const page = (cursor?: string | undefined, limit = PAGE) => ({ limit, ...(cursor ? { cursor } : {}) });
const kept = { placeholderData: keepPreviousData } as const;

export interface Span {
  from: string;
  to: string;
}

/** Which entries of the audit log. */
export interface AuditSearch {
  q?: string;
  action?: string;
  user?: string;
  tenant?: string;
  after?: string;
  before?: string;
}

export const q = {
  clusters: queryOptions({ queryKey: ['operate', 'clusters'], queryFn: ({ signal }) => unwrap(api.GET('/v1/clusters', { params: { query: page(undefined, ALL) }, signal })) }),
  cluster: (cluster: string) => queryOptions({ queryKey: ['operate', 'cluster', cluster], queryFn: ({ signal }) => unwrap(api.GET('/v1/clusters/{cluster}', { params: { path: { cluster } }, signal })) }),
  reports: (cluster: string, limit = 20) => queryOptions({ queryKey: ['operate', 'reports', cluster, limit], queryFn: ({ signal }) => unwrap(api.GET('/v1/clusters/{cluster}/reports', { params: { path: { cluster }, query: page(undefined, limit) }, signal })) }),
  report: (cluster: string, report: string) => queryOptions({ queryKey: ['operate', 'report', cluster, report], queryFn: ({ signal }) => unwrap(api.GET('/v1/clusters/{cluster}/reports/{report}', { params: { path: { cluster, report } }, signal })) }),
  sites: queryOptions({ queryKey: ['operate', 'sites'], queryFn: ({ signal }) => unwrap(api.GET('/v1/sites', { params: { query: page(undefined, ALL) }, signal })) }),
  pools: queryOptions({ queryKey: ['pools', 'all'], queryFn: ({ signal }) => unwrap(api.GET('/v1/pools', { params: { query: page(undefined, ALL) }, signal })) }),
  policy: queryOptions({ queryKey: ['operate', 'policy'], queryFn: ({ signal }) => unwrap(api.GET('/v1/policy', { signal })) }),
  twinRuns: (cursor?: string) =>
    queryOptions({
      queryKey: ['operate', 'twinRuns', cursor],
      queryFn: ({ signal }) => unwrap(api.GET('/v1/twin/runs', { params: { query: page(cursor, 30) }, signal })),
      ...kept,
      refetchInterval: (query) => (query.state.data?.items.some(({ state }) => state === 'queued' || state === 'running') ? LIVE_MS : CALM_MS),
    }),
  twinRun: (run: string) =>
    queryOptions({
      queryKey: ['operate', 'twinRun', run],
      queryFn: ({ signal }) => unwrap(api.GET('/v1/twin/runs/{run}', { params: { path: { run } }, signal })),
      refetchInterval: (query) => (query.state.data && (query.state.data.state === 'queued' || query.state.data.state === 'running') ? LIVE_MS : false),
    }),
  policies: (cursor?: string) => queryOptions({ queryKey: ['operate', 'policies', cursor], queryFn: ({ signal }) => unwrap(api.GET('/v1/policy/versions', { params: { query: page(cursor, 30) }, signal })), ...kept }),
  /** Jobs that wait, newest first; live by the stream as all lists of jobs. */
  waiting: (pool?: string) => queryOptions({ queryKey: ['jobs', 'waiting', pool], queryFn: ({ signal }) => unwrap(api.GET('/v1/jobs', { params: { query: { state: 'PENDING,HELD', ...(pool ? { pool } : {}), limit: ALL } }, signal })), ...kept }),
  /** How many jobs wait by class; live by the stream. */
  queue: queryOptions({ queryKey: ['queue'], queryFn: ({ signal }) => unwrap(api.GET('/v1/queue', { signal })), ...kept }),
  running: (pool?: string) => queryOptions({ queryKey: ['jobs', 'on', pool], queryFn: ({ signal }) => unwrap(api.GET('/v1/jobs', { params: { query: { state: 'RUNNING,COMPLETING', ...(pool ? { pool } : {}), limit: ALL } }, signal })), ...kept }),
  margin: (by: string, { from, to }: Span, only?: string) => queryOptions({ queryKey: ['operate', 'margin', by, from, to, only], queryFn: ({ signal }) => unwrap(api.GET('/v1/reports/margin', { params: { query: { by, from, to, ...(only ? { only } : {}) } }, signal })), ...kept }),
  /** Where the platform's days begin; a report of no time tells it. */
  offset: queryOptions({
    queryKey: ['operate', 'offset'],
    queryFn: async ({ signal }) => {
      const at = new Date().toISOString();
      const report: { utc_offset?: string } = await unwrap(api.GET('/v1/reports/margin', { params: { query: { by: 'mode', from: at, to: at } }, signal }));
      return report.utc_offset ?? '+00:00';
    },
    staleTime: Infinity,
  }),
  poolsReport: ({ from, to }: Span) => queryOptions({ queryKey: ['operate', 'poolsReport', from, to], queryFn: ({ signal }) => unwrap(api.GET('/v1/reports/pools', { params: { query: { from, to } }, signal })), ...kept }),
  mix: ({ from, to }: Span) => queryOptions({ queryKey: ['operate', 'mix', from, to], queryFn: ({ signal }) => unwrap(api.GET('/v1/reports/mix', { params: { query: { from, to } }, signal })), ...kept }),
  earners: ({ from, to }: Span) => queryOptions({ queryKey: ['operate', 'earners', from, to], queryFn: ({ signal }) => unwrap(api.GET('/v1/reports/tenants', { params: { query: { from, to } }, signal })), ...kept }),
  ageing: queryOptions({ queryKey: ['operate', 'ageing'], queryFn: ({ signal }) => unwrap(api.GET('/v1/reports/ageing', { signal })) }),
  bill: (tenant: string | undefined, project: string | undefined, { from, to }: Span) => queryOptions({ queryKey: ['operate', 'bill', tenant, project, from, to], queryFn: ({ signal }) => unwrap(api.GET('/v1/bill', { params: { query: { ...(tenant ? { tenant } : {}), ...(project ? { project } : {}), from, to } }, signal })) as Promise<Schemas['Bill']>, ...kept }),
  jobMargin: ({ from, to }: Span) => queryOptions({ queryKey: ['operate', 'jobMargin', from, to], queryFn: ({ signal }) => unwrap(api.GET('/v1/margin', { params: { query: { by: 'job', from, to } }, signal })), ...kept }),
  contracts: (cursor?: string) => queryOptions({ queryKey: ['operate', 'contracts', cursor], queryFn: ({ signal }) => unwrap(api.GET('/v1/contracts', { params: { query: page(cursor) }, signal })), ...kept }),
  contract: (contract: string) => queryOptions({ queryKey: ['operate', 'contract', contract], queryFn: ({ signal }) => unwrap(api.GET('/v1/contracts/{contract}', { params: { path: { contract: contract as never } }, signal })) }),
  grants: (cursor?: string) => queryOptions({ queryKey: ['operate', 'grants', cursor], queryFn: ({ signal }) => unwrap(api.GET('/v1/grants', { params: { query: page(cursor) }, signal })), ...kept }),
  suppliers: queryOptions({ queryKey: ['operate', 'suppliers'], queryFn: ({ signal }) => unwrap(api.GET('/v1/suppliers', { params: { query: page(undefined, ALL) }, signal })) }),
  settlements: (cursor?: string) => queryOptions({ queryKey: ['operate', 'settlements', cursor], queryFn: ({ signal }) => unwrap(api.GET('/v1/settlements', { params: { query: page(cursor) }, signal })), ...kept }),
  settlement: (settlement: string) => queryOptions({ queryKey: ['operate', 'settlement', settlement], queryFn: ({ signal }) => unwrap(api.GET('/v1/settlements/{settlement}', { params: { path: { settlement: settlement as never } }, signal })) }),
  lines: (settlement: string, only?: string, cursor?: string) => queryOptions({ queryKey: ['operate', 'lines', settlement, only, cursor], queryFn: ({ signal }) => unwrap(api.GET('/v1/settlements/{settlement}/lines', { params: { path: { settlement: settlement as never }, query: { ...page(cursor), ...(only === 'differing' || only === 'open' ? { only } : {}) } }, signal })), ...kept }),
  prices: queryOptions({ queryKey: ['operate', 'prices'], queryFn: ({ signal }) => unwrap(api.GET('/v1/prices', { params: { query: page(undefined, 200) }, signal })) }),
  statements: (filter: { tenant?: string | undefined; month?: string | undefined; cursor?: string | undefined }) => queryOptions({ queryKey: ['operate', 'statements', filter], queryFn: ({ signal }) => unwrap(api.GET('/v1/statements', { params: { query: { ...page(filter.cursor), ...(filter.tenant ? { tenant: filter.tenant } : {}), ...(filter.month ? { month: filter.month } : {}) } }, signal })), ...kept }),
  tenants: (cursor?: string, limit = PAGE, words?: string) => queryOptions({ queryKey: ['operate', 'tenants', cursor, limit, words], queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants', { params: { query: { ...page(cursor, limit), ...(words ? { q: words } : {}) } }, signal })), ...kept }),
  tenant: (tenant: string) => queryOptions({ queryKey: ['operate', 'tenant', tenant], queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}', { params: { path: { tenant } }, signal })) }),
  projects: (tenant: string) => queryOptions({ queryKey: ['operate', 'projects', tenant], queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/projects', { params: { path: { tenant }, query: page(undefined, ALL) }, signal })) }),
  budgets: (tenant: string) => queryOptions({ queryKey: ['operate', 'budgets', tenant], queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/budgets', { params: { path: { tenant }, query: page() }, signal })) }),
  transfers: (tenant: string, cursor?: string) => queryOptions({ queryKey: ['operate', 'transfers', tenant, cursor], queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/transfers', { params: { path: { tenant }, query: page(cursor, 30) }, signal })), ...kept }),
  users: (tenant?: string, cursor?: string, narrow: { q?: string; role?: Schemas['Role'] } = {}) => queryOptions({ queryKey: ['operate', 'users', tenant, cursor, narrow], queryFn: ({ signal }) => unwrap(api.GET('/v1/users', { params: { query: { ...page(cursor), ...(tenant ? { tenant } : {}), ...narrow } }, signal })), ...kept }),
  audit: (narrow: AuditSearch, cursor?: string) => queryOptions({ queryKey: ['operate', 'audit', narrow, cursor], queryFn: ({ signal }) => unwrap(api.GET('/v1/audit', { params: { query: { ...page(cursor), ...narrow } }, signal })), ...kept }),
};
