// The addresses of the page and what each needs. Pages are loaded when first visited; knows no page from inside.
import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';

import { ApiProblem } from '../api/problem';
import { sessionQuery } from '../api/queries';
import type { JobSort } from '../api/queries';
import { CLASSES, type JobClass, SORTS, viewNames, type View } from '../lib/jobs';
import { SPEND_BY, SPEND_SPANS, type SpendBy, type SpendSpan } from '../lib/spend';
import { NotFound, PageFailed } from './fallbacks';
import { operatorRoutes } from './operator';
import { Shell } from './shell';

type Search = Record<string, unknown>;
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const day = (value: unknown): string | undefined => (/^\d{4}-\d\d-\d\d$/.test(text(value) ?? '') ? text(value) : undefined);

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Outlet,
  notFoundComponent: NotFound,
  errorComponent: PageFailed,
});

/** Why a sign-in at a provider came to nothing, as the server says it. */
const signInFaults = ['provider', 'flow', 'denied', 'token', 'unknown_user'] as const;

const login = createRoute({
  getParentRoute: () => root,
  path: '/login',
  validateSearch: (search: Search): { next?: string | undefined; ended?: '1' | undefined; failed?: (typeof signInFaults)[number] | undefined } => ({
    // Only an address of our own: `//host` and `/\host` would leave the site.
    next: /^\/(?![/\\])/.test(text(search.next) ?? '') ? text(search.next) : undefined,
    ended: search.ended === '1' ? '1' : undefined,
    failed: signInFaults.find((fault) => fault === search.failed),
  }),
  component: lazyRouteComponent(() => import('../pages/login'), 'LoginPage'),
});

export const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  beforeLoad: async ({ context, location }) => {
    try {
      await context.client.ensureQueryData({ ...sessionQuery, revalidateIfStale: true });
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) {
        throw redirect({ to: '/login', search: location.href === '/' ? {} : { next: location.href } });
      }
      throw error;
    }
  },
  component: Shell,
  errorComponent: PageFailed,
});

const home = createRoute({
  getParentRoute: () => shell,
  path: '/',
  component: lazyRouteComponent(() => import('../pages/home'), 'HomePage'),
});

export interface JobsSearch {
  view?: View | undefined;
  name?: string | undefined;
  user?: string | undefined;
  pool?: string | undefined;
  project?: string | undefined;
  array?: string | undefined;
  class?: JobClass | undefined;
  /** What the list is sorted by, and whether the least comes first. */
  sort?: JobSort | undefined;
  order?: 'asc' | undefined;
  /** Days (`2026-11-22`) of the reader's calendar, both included. */
  since?: string | undefined;
  until?: string | undefined;
  cursor?: string | undefined;
}

const jobs = createRoute({
  getParentRoute: () => shell,
  path: '/jobs',
  validateSearch: (search: Search): JobsSearch => ({
    view: viewNames.find((name) => name === search.view && name !== 'all'),
    name: text(search.name),
    user: text(search.user),
    pool: text(search.pool),
    project: text(search.project),
    array: text(search.array),
    class: CLASSES.find((name) => name === search.class),
    sort: SORTS.find((name) => name === search.sort),
    order: search.order === 'asc' ? 'asc' : undefined,
    since: day(search.since),
    until: day(search.until),
    cursor: text(search.cursor),
  }),
  component: lazyRouteComponent(() => import('../pages/jobs'), 'JobsPage'),
});

const job = createRoute({
  getParentRoute: () => shell,
  path: '/jobs/$job',
  validateSearch: (search: Search): { stream?: 'stderr' | undefined; dir?: string | undefined; file?: string | undefined } => ({
    stream: search.stream === 'stderr' ? 'stderr' : undefined,
    dir: text(search.dir),
    file: text(search.file),
  }),
  component: lazyRouteComponent(() => import('../pages/job'), 'JobPage'),
});

const submit = createRoute({
  getParentRoute: () => shell,
  path: '/submit',
  validateSearch: (search: Search): { from?: string | undefined; pool?: string | undefined } => ({ from: text(search.from), pool: text(search.pool) }),
  component: lazyRouteComponent(() => import('../pages/submit'), 'SubmitPage'),
});

const pools = createRoute({
  getParentRoute: () => shell,
  path: '/pools',
  component: lazyRouteComponent(() => import('../pages/pools'), 'PoolsPage'),
});

const moneyWallet = createRoute({
  getParentRoute: () => shell,
  path: '/money',
  component: lazyRouteComponent(() => import('../pages/money/wallet'), 'WalletPage'),
});

const moneySpend = createRoute({
  getParentRoute: () => shell,
  path: '/money/spend',
  validateSearch: (search: Search): { by?: SpendBy | undefined; span?: SpendSpan | undefined } => ({
    by: SPEND_BY.find((name) => name === search.by),
    span: SPEND_SPANS.find((name) => name === search.span),
  }),
  component: lazyRouteComponent(() => import('../pages/money/spend'), 'SpendPage'),
});

const moneyStatements = createRoute({
  getParentRoute: () => shell,
  path: '/money/statements',
  component: lazyRouteComponent(() => import('../pages/money/statements'), 'StatementsPage'),
});

const moneyStatement = createRoute({
  getParentRoute: () => shell,
  path: '/money/statements/$statement',
  component: lazyRouteComponent(() => import('../pages/money/statement'), 'StatementPage'),
});

const moneyTransfers = createRoute({
  getParentRoute: () => shell,
  path: '/money/transfers',
  validateSearch: (search: Search): { cursor?: string | undefined } => ({ cursor: text(search.cursor) }),
  component: lazyRouteComponent(() => import('../pages/money/transfers'), 'TransfersPage'),
});

const files = createRoute({
  getParentRoute: () => shell,
  path: '/files',
  validateSearch: (search: Search): { project?: string | undefined; path?: string | undefined } => ({ project: text(search.project), path: text(search.path) }),
  component: lazyRouteComponent(() => import('../pages/files'), 'FilesPage'),
});

const account = createRoute({
  getParentRoute: () => shell,
  path: '/account',
  validateSearch: (search: Search): { confirm?: string | undefined } => ({ confirm: text(search.confirm) }),
  component: lazyRouteComponent(() => import('../pages/account/account'), 'AccountPage'),
});

const tenantPages = [home, jobs, job, submit, pools, moneyWallet, moneySpend, moneyStatements, moneyStatement, moneyTransfers, files, account] as const;

export const makeRouter = (client: QueryClient) =>
  createRouter({
    routeTree: root.addChildren([login, shell.addChildren([...tenantPages, operatorRoutes()])]),
    context: { client },
    defaultPreload: 'intent',
    defaultPreloadStaleTime: 0,
    scrollRestoration: true,
    defaultErrorComponent: PageFailed,
    defaultNotFoundComponent: NotFound,
    // Plain texts, so that addresses read well and `?name=123` stays a name.
    parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
    stringifySearch: (search) => {
      const pairs = Object.entries(search).filter(([, value]) => value !== undefined && value !== '');
      const query = new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString();
      return query && `?${query}`;
    },
  });

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
