// The operator's own frame inside the page's: a side bar on a desk, tabs that scroll on a phone.
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { useCurrentInView } from '../ui/tabs';
import { AuditIcon, BusinessIcon, ClusterIcon, GlobeIcon, PlacementIcon, TenantIcon, UsersIcon } from './icons';
import './operate.css';

export function OperateFrame() {
  return (
    <div className="operate">
      <SideBar />
      <div className="operate-page">
        <Outlet />
      </div>
    </div>
  );
}

function SideBar() {
  const { t } = useTranslation();
  const active = { className: 'is-active', 'aria-current': 'page' } as const;
  const rest = { activeProps: active, activeOptions: { includeSearch: false } } as const;
  const row = useCurrentInView(useLocation().pathname);
  return (
    <nav ref={row} className="side" aria-label={t('op.nav.label')}>
      <Link to="/operate" activeProps={active} activeOptions={{ exact: true, includeSearch: false }}>
        <GlobeIcon />
        {t('op.nav.overview')}
      </Link>
      <Link to="/operate/clusters" {...rest}>
        <ClusterIcon />
        {t('op.nav.clusters')}
      </Link>
      <Link to="/operate/placement" {...rest}>
        <PlacementIcon />
        {t('op.nav.placement')}
      </Link>
      <Link to="/operate/business" {...rest}>
        <BusinessIcon />
        {t('op.nav.business')}
      </Link>
      <Link to="/operate/tenants" {...rest}>
        <TenantIcon />
        {t('op.nav.tenants')}
      </Link>
      <Link to="/operate/users" {...rest}>
        <UsersIcon />
        {t('op.nav.users')}
      </Link>
      <Link to="/operate/audit" {...rest}>
        <AuditIcon />
        {t('op.nav.audit')}
      </Link>
    </nav>
  );
}

/** The pages of the business, as tabs above each of them. */
export function BusinessTabs(): ReactNode {
  const { t } = useTranslation();
  const active = { className: 'view is-active', 'aria-current': 'page' } as const;
  const rest = { className: 'view', activeProps: active, activeOptions: { includeSearch: false } } as const;
  const row = useCurrentInView(useLocation().pathname);
  return (
    <nav ref={row} className="views" aria-label={t('op.nav.business')}>
      <Link to="/operate/business" className="view" activeProps={active} activeOptions={{ exact: true, includeSearch: false }}>
        {t('op.nav.margin')}
      </Link>
      <Link to="/operate/business/pools" {...rest}>{t('op.nav.pools')}</Link>
      <Link to="/operate/business/mix" {...rest}>{t('op.nav.mix')}</Link>
      <Link to="/operate/business/tenants" {...rest}>{t('op.nav.earners')}</Link>
      <Link to="/operate/business/ageing" {...rest}>{t('op.nav.ageing')}</Link>
      <Link to="/operate/business/contracts" {...rest}>{t('op.nav.contracts')}</Link>
      <Link to="/operate/business/grants" {...rest}>{t('op.nav.grants')}</Link>
      <Link to="/operate/business/suppliers" {...rest}>{t('op.nav.suppliers')}</Link>
      <Link to="/operate/business/prices" {...rest}>{t('op.nav.prices')}</Link>
      <Link to="/operate/business/statements" {...rest}>{t('op.nav.statements')}</Link>
      <Link to="/operate/business/sizing" {...rest}>{t('op.nav.sizing')}</Link>
    </nav>
  );
}
