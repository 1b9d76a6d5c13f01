// All tenants, and the form that makes one.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import type { Column } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { ActButton, filled, FormDialog, type Values } from './form';
import { PagedTable, ServerSearch, Tag } from './parts';
import { type Tier, useTierOptions } from './pick';
import { once, PAGE, q, type Schemas } from './queries';

export function TenantsPage() {
  const { t } = useTranslation();
  useTitle(t('opPeople.tenants'));
  const [search] = useAddress();
  const tenants = useQuery(q.tenants(search.cursor, PAGE, search.q));
  const mayChange = useMayChange();
  const columns: Column<Schemas['Tenant']>[] = [
    { key: 'name', title: t('opPeople.name'), card: 'head', cell: (row) => <Link to="/operate/tenants/$tenant" params={{ tenant: row.name }} className="row-link">{row.name}</Link> },
    { key: 'status', title: t('opPeople.state'), card: 'head-end', cell: (row) => <StatusTag status={row.status} /> },
    { key: 'tier', title: t('opPeople.tierTitle'), cell: (row) => t(`opPeople.tier.${row.tier}`) },
    { key: 'shares', title: t('opPeople.shares'), align: 'right', cell: (row) => row.shares },
    { key: 'currency', title: t('opPeople.currency'), cell: (row) => row.currency },
    { key: 'regions', title: t('opPeople.regions'), cell: (row) => row.regions.join(', ') || <span className="faint">{t('opPeople.anywhere')}</span> },
  ];
  return (
    <>
      <PageHead title={t('opPeople.tenants')}>{mayChange && <ActButton words={t('opPeople.newTenant')} primary>{(close) => <TenantDialog onClose={close} />}</ActButton>}</PageHead>
      <div className="op-bar">
        <ServerSearch label={t('opPeople.search')} />
      </div>
      <Section flush>
        <PagedTable query={tenants} columns={columns} rowKey={(row) => row.id} rowClass={() => 'is-link'} caption={t('opPeople.tenants')} empty={{ title: t('opPeople.noTenants') }} />
      </Section>
    </>
  );
}

export function StatusTag({ status }: { status: Schemas['TenantStatus'] }) {
  const { t } = useTranslation();
  return <Tag tone={status === 'active' ? 'good' : 'bad'}>{t(`opPeople.status.${status}`)}</Tag>;
}

export const regionsOf = (text: string | undefined): string[] => (text ?? '').split(/[\s,，]+/).filter(Boolean);

function TenantDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const tiers = useTierOptions();
  const send = async (values: Values) => {
    const { name = '', tier, shares, regions, ...rest } = values;
    await unwrap(api.POST('/v1/tenants', { params: { header: once() }, body: { name, tier: tier as Tier, ...filled(rest, 'currency', 'credit_limit'), ...(shares ? { shares: Number(shares) } : {}), ...(regions ? { regions: regionsOf(regions) } : {}) } }));
    await navigate({ to: '/operate/tenants/$tenant', params: { tenant: name } });
  };
  return (
    <FormDialog
      title={t('opPeople.newTenant')}
      act={t('opPeople.create')}
      onClose={onClose}
      send={send}
      fields={[
        { name: 'name', label: t('opPeople.name'), required: true, hint: t('opCluster.nameHint') },
        { name: 'tier', label: t('opPeople.tierTitle'), kind: 'select', options: tiers },
        { name: 'credit_limit', label: t('opPeople.credit'), kind: 'money' },
        { name: 'currency', label: t('opPeople.currency'), hint: t('opPeople.currencyHint') },
        { name: 'shares', label: t('opPeople.shares'), kind: 'number' },
        { name: 'regions', label: t('opPeople.regions'), hint: t('opPeople.regionsHint') },
      ]}
    />
  );
}
