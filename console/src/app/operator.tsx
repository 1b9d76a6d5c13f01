// The operator's addresses, all below /operate. Pages are loaded when first visited; what narrows a page is in its address.
import { createRoute, lazyRouteComponent, redirect } from '@tanstack/react-router';

import { sessionQuery } from '../api/queries';
import { mayOperate, type OperateSearch, readSearch } from '../operate/address';
import { shell } from './router';

const operate = createRoute({
  getParentRoute: () => shell,
  path: '/operate',
  validateSearch: (search: Record<string, unknown>): OperateSearch => readSearch(search),
  // Others are led home; what they may not know the server does not tell them either.
  beforeLoad: async ({ context }) => {
    const session = await context.client.ensureQueryData(sessionQuery);
    if (!mayOperate(session.user.role)) throw redirect({ to: '/' });
  },
  component: lazyRouteComponent(() => import('../operate/frame'), 'OperateFrame'),
});

const below = <P extends string>(path: P) => ({ getParentRoute: () => operate, path }) as const;

const overview = createRoute({ ...below('/'), component: lazyRouteComponent(() => import('../operate/overview'), 'OverviewPage') });
const clusters = createRoute({ ...below('/clusters'), component: lazyRouteComponent(() => import('../operate/clusters'), 'ClustersPage') });
const register = createRoute({ ...below('/clusters/register'), component: lazyRouteComponent(() => import('../operate/register'), 'RegisterPage') });
const cluster = createRoute({ ...below('/clusters/$cluster'), component: lazyRouteComponent(() => import('../operate/cluster'), 'ClusterPage') });
const placement = createRoute({ ...below('/placement'), component: lazyRouteComponent(() => import('../operate/placement'), 'PlacementPage') });
const twin = createRoute({ ...below('/twin'), component: lazyRouteComponent(() => import('../operate/twin'), 'TwinPage') });
const twinNew = createRoute({ ...below('/twin/new'), component: lazyRouteComponent(() => import('../operate/twin-new'), 'TwinNewPage') });
const twinCompare = createRoute({ ...below('/twin/compare'), component: lazyRouteComponent(() => import('../operate/twin-run'), 'TwinComparePage') });
const twinRun = createRoute({ ...below('/twin/$run'), component: lazyRouteComponent(() => import('../operate/twin-run'), 'TwinRunPage') });
const margin = createRoute({ ...below('/business'), component: lazyRouteComponent(() => import('../operate/margin'), 'MarginPage') });
const reports = createRoute({ ...below('/business/pools'), component: lazyRouteComponent(() => import('../operate/pools-report'), 'PoolsReportPage') });
const mix = createRoute({ ...below('/business/mix'), component: lazyRouteComponent(() => import('../operate/mix'), 'MixPage') });
const earners = createRoute({ ...below('/business/tenants'), component: lazyRouteComponent(() => import('../operate/earners'), 'EarnersPage') });
const ageing = createRoute({ ...below('/business/ageing'), component: lazyRouteComponent(() => import('../operate/ageing'), 'AgeingPage') });
const contracts = createRoute({ ...below('/business/contracts'), component: lazyRouteComponent(() => import('../operate/contracts'), 'ContractsPage') });
const contract = createRoute({ ...below('/business/contracts/$contract'), component: lazyRouteComponent(() => import('../operate/contract'), 'ContractPage') });
const grants = createRoute({ ...below('/business/grants'), component: lazyRouteComponent(() => import('../operate/grants'), 'GrantsPage') });
const suppliers = createRoute({ ...below('/business/suppliers'), component: lazyRouteComponent(() => import('../operate/suppliers'), 'SuppliersPage') });
const settlement = createRoute({ ...below('/business/settlements/$settlement'), component: lazyRouteComponent(() => import('../operate/settlement'), 'SettlementPage') });
const prices = createRoute({ ...below('/business/prices'), component: lazyRouteComponent(() => import('../operate/prices'), 'PricesPage') });
const sizing = createRoute({ ...below('/business/sizing'), component: lazyRouteComponent(() => import('../operate/sizing'), 'SizingPage') });
const statements = createRoute({ ...below('/business/statements'), component: lazyRouteComponent(() => import('../operate/statements'), 'StatementsPage') });
const tenants = createRoute({ ...below('/tenants'), component: lazyRouteComponent(() => import('../operate/tenants'), 'TenantsPage') });
const tenant = createRoute({ ...below('/tenants/$tenant'), component: lazyRouteComponent(() => import('../operate/tenant'), 'TenantPage') });
const users = createRoute({ ...below('/users'), component: lazyRouteComponent(() => import('../operate/users'), 'UsersPage') });
const audit = createRoute({ ...below('/audit'), component: lazyRouteComponent(() => import('../operate/audit'), 'AuditPage') });

/** Everything below /operate, for the router to add. */
export const operatorRoutes = () =>
  operate.addChildren([
    ...[overview, clusters, register, cluster, placement],
    ...[twin, twinNew, twinCompare, twinRun],
    ...[margin, reports, mix, earners, ageing, contracts, contract, grants, suppliers, settlement, prices, sizing, statements],
    ...[tenants, tenant, users, audit],
  ]);
