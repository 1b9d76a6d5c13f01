// Questions about the reader's own tokens and the people and projects of the tenant. Knows the API, not the pages.
import { queryOptions } from '@tanstack/react-query';

import { api, unwrap } from './client';

/** People and projects are shown at once up to here. */
const MANY = 500;
/** The newest tokens; older ones have ended. */
const TOKENS = 200;

export const tokensQuery = queryOptions({
  queryKey: ['tokens'],
  queryFn: ({ signal }) => unwrap(api.GET('/v1/tokens', { params: { query: { limit: TOKENS } }, signal })),
});

export const usersQuery = (tenant: string) =>
  queryOptions({
    queryKey: ['users', tenant],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/users', { params: { query: { tenant, limit: MANY } }, signal })),
    enabled: tenant !== '',
  });

export const noticesQuery = queryOptions({
  queryKey: ['notices'],
  queryFn: ({ signal }) => unwrap(api.GET('/v1/notices', { signal })),
});

export const membersQuery = (tenant: string, project: string) =>
  queryOptions({
    queryKey: ['members', tenant, project],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/projects/{project}/members', { params: { path: { tenant, project }, query: { limit: MANY } }, signal })),
  });

export const projectsQuery = (tenant: string) =>
  queryOptions({
    queryKey: ['projects', tenant],
    queryFn: ({ signal }) => unwrap(api.GET('/v1/tenants/{tenant}/projects', { params: { path: { tenant }, query: { limit: MANY } }, signal })),
    enabled: tenant !== '',
  });
