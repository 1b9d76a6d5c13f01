// Questions about a tenant's money, with the keys under which their answers are kept. Knows the API, not the pages.
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';

import type { Stretch } from '../lib/spend';
import { api, unwrap } from './client';
import type { Bill, StatementDetail } from './types';

/** Budgets, grants and contracts of one tenant are few; more than this are told to be more. */
const FEW = 200;
/** Movements of one page: a few screens. */
const TRANSFERS_PAGE = 50;
const STATEMENT_JOBS = 100;
/** A bill of a time that is over may still get a late interval; of the present one, it grows by the minute. */
const BILL_STALE_MS = { over: 10 * 60_000, present: 30_000 };

export const budgetsQuery = (tenant: string) =>
  queryOptions({
    queryKey: ['wallet', tenant, 'budgets'],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/budgets', { params: { path: { tenant }, query: { limit: FEW } }, signal })),
    enabled: tenant !== '',
  });

export const grantsQuery = (tenant: string) =>
  queryOptions({
    queryKey: ['wallet', tenant, 'grants'],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/grants', { params: { path: { tenant }, query: { limit: FEW } }, signal })),
    enabled: tenant !== '',
  });

export const contractsQuery = (tenant: string) =>
  queryOptions({
    queryKey: ['contracts', tenant],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/contracts', { params: { path: { tenant }, query: { limit: FEW } }, signal })),
    enabled: tenant !== '',
  });

export const contractQuery = (contract: number) =>
  queryOptions({
    queryKey: ['contract', contract],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/contracts/{contract}', { params: { path: { contract } }, signal })),
  });

export const transfersQuery = (tenant: string, cursor: string | undefined) =>
  queryOptions({
    queryKey: ['wallet', tenant, 'transfers', cursor],
    queryFn: ({ signal }) =>
      unwrap(api.GET('/v1/tenants/{tenant}/transfers', { params: { path: { tenant }, query: { limit: TRANSFERS_PAGE, ...(cursor && { cursor }) } }, signal })),
    placeholderData: keepPreviousData,
    enabled: tenant !== '',
  });

/** Sums by day from the moment `from` lies in until now. */
export const spendQuery = (tenant: string, by: 'project' | 'user' | 'line', from: string) =>
  queryOptions({
    queryKey: ['spend', tenant, by, from],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/spend', { params: { path: { tenant }, query: { by, from } }, signal })),
    staleTime: BILL_STALE_MS.present,
  });

/** Storage, traffic, requests and tokens since a moment, by unit. */
export const usageQuery = (tenant: string, from: string) =>
  queryOptions({
    queryKey: ['usage', tenant, from],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/usage/sums', { params: { query: { tenant, from } }, signal })),
    staleTime: BILL_STALE_MS.present,
    enabled: tenant !== '',
  });

export const holdsQuery = (tenant: string) =>
  queryOptions({
    queryKey: ['wallet', tenant, 'holds'],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/holds', { params: { path: { tenant }, query: { limit: FEW } }, signal })),
    enabled: tenant !== '',
  });

export const statementsQuery = (tenant: string) =>
  infiniteQueryOptions({
    queryKey: ['statements', tenant],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      unwrap(api.GET('/v1/statements', { params: { query: { tenant, limit: TRANSFERS_PAGE, ...(pageParam && { cursor: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    enabled: tenant !== '',
  });

/** A statement with its sums by project and user, or, at once whatever its size, without them. */
export const statementQuery = (statement: number, parts: boolean) =>
  queryOptions({
    queryKey: ['statement', statement, parts],
    // The other forms of a statement are fetched by plain links.
    queryFn: ({ signal }) => unwrap(api.GET('/v1/statements/{statement}', { params: { path: { statement }, query: { format: 'json', parts } }, signal })) as Promise<StatementDetail>,
    staleTime: Infinity,
  });

export const statementJobsQuery = (statement: number) =>
  infiniteQueryOptions({
    queryKey: ['statement', statement, 'jobs'],
    initialPageParam: '',
    queryFn: ({ pageParam, signal }) =>
      unwrap(api.GET('/v1/statements/{statement}/jobs', { params: { path: { statement }, query: { limit: STATEMENT_JOBS, ...(pageParam && { cursor: pageParam }) } }, signal })),
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: Infinity,
  });

export const billQuery = (tenant: string, { from, to }: Stretch) =>
  queryOptions({
    queryKey: ['bill', tenant, from, to],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/bill', { params: { query: { tenant, from, ...(to && { to }) } }, signal })) as Promise<Bill>,
    staleTime: to ? BILL_STALE_MS.over : BILL_STALE_MS.present,
    enabled: tenant !== '',
  });
