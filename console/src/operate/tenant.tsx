// One tenant: its wallet and what moved in it, projects, users, budgets, contracts, and everything that an operator may change of it.
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { walletQuery } from '../api/queries';
import { useFormat, useTitle } from '../ui/hooks';
import { Facts, PageHead, Section } from '../ui/parts';
import type { Column } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { Budgets } from './budgets';
import { ActButton, filled, FormDialog } from './form';
import { Amount, Answer, PagedTable, When } from './parts';
import { type Tier, useTierOptions } from './pick';
import { once, q, type Schemas } from './queries';
import { regionsOf, StatusTag } from './tenants';
import { NewUser, UserTable } from './users';

export function TenantPage() {
  const { t } = useTranslation();
  const { tenant: name } = useParams({ from: '/shell/operate/tenants/$tenant' });
  useTitle(name);
  const tenant = useQuery(q.tenant(name));
  const mayChange = useMayChange();
  return (
    <>
      <p className="op-crumb">
        <Link to="/operate/tenants">{t('opPeople.tenants')}</Link>
      </p>
      <PageHead title={name}>{mayChange && tenant.data && <Actions tenant={tenant.data} />}</PageHead>
      <Answer query={tenant} lines={8}>
        {(data) => (
          <div className="op-stack">
            <div className="op-two">
              <Terms tenant={data} />
              <Wallet tenant={data.name} />
            </div>
            <Budgets tenant={data.name} mayChange={mayChange} />
            <div className="op-two">
              <Projects tenant={data.name} mayChange={mayChange} />
              <Users tenant={data.name} mayChange={mayChange} />
            </div>
            <Transfers tenant={data.name} />
          </div>
        )}
      </Answer>
    </>
  );
}

function Terms({ tenant }: { tenant: Schemas['Tenant'] }) {
  const { t } = useTranslation();
  return (
    <Section title={<StatusTag status={tenant.status} />}>
      <Facts
        items={[
          [t('opPeople.tierTitle'), t(`opPeople.tier.${tenant.tier}`)],
          [t('opPeople.shares'), String(tenant.shares)],
          [t('opPeople.regions'), tenant.regions.join(', ') || t('opPeople.anywhere')],
          [t('opPeople.id'), <span key="id" className="mono path">{tenant.id}</span>],
        ]}
      />
    </Section>
  );
}

function Wallet({ tenant }: { tenant: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const wallet = useQuery(walletQuery(tenant));
  return (
    <Section title={t('opPeople.wallet')}>
      <Answer query={wallet} lines={3}>
        {(data) => (
          <>
            <p className={data.available.startsWith('-') ? 'figure figure-bad' : 'figure'}>{format.moneyShort(data.available, data.currency)}</p>
            <Facts
              items={[
                [t('opPeople.balance'), <Amount key="b" value={data.balance} currency={data.currency} />],
                [t('opPeople.held'), <Amount key="h" value={data.held} currency={data.currency} />],
                [t('opPeople.credit'), <Amount key="c" value={data.credit_limit} currency={data.currency} />],
              ]}
            />
          </>
        )}
      </Answer>
    </Section>
  );
}

function Actions({ tenant }: { tenant: Schemas['Tenant'] }) {
  const { t } = useTranslation();
  const tiers = useTierOptions();
  const path = { tenant: tenant.name };
  const suspended = tenant.status === 'suspended';
  const suspend = suspended ? t('opPeople.readmit') : t('opPeople.suspend');
  return (
    <div className="op-actions">
      <ActButton words={t('opPeople.topUp')} primary>
        {(close) => (
          <FormDialog title={t('opPeople.topUp')} act={t('opPeople.book')} onClose={close} fields={[{ name: 'amount', label: t('opPeople.amount'), kind: 'money', required: true, hint: t('opPeople.topUpHint') }, { name: 'memo', label: t('opPeople.memo') }]} send={(values) => unwrap(api.POST('/v1/tenants/{tenant}/wallet/top-ups', { params: { path, header: once() }, body: { amount: values.amount ?? '', memo: values.memo ?? '' } }))} />
        )}
      </ActButton>
      <ActButton words={t('opPeople.correct')}>
        {(close) => (
          <FormDialog title={t('opPeople.correct')} act={t('opPeople.book')} onClose={close} fields={[{ name: 'amount', label: t('opPeople.amount'), kind: 'money', required: true, hint: t('opPeople.correctHint') }, { name: 'job', label: t('opPeople.job') }, { name: 'reason', label: t('opPeople.reason'), required: true, wide: true }]} send={(values) => unwrap(api.POST('/v1/tenants/{tenant}/corrections', { params: { path, header: once() }, body: { amount: values.amount ?? '', reason: values.reason ?? '', ...filled(values, 'job') } }))} />
        )}
      </ActButton>
      <ActButton words={t('opPeople.terms')}>
        {(close) => (
          <FormDialog
            title={t('opPeople.terms')}
            act={t('opPeople.save')}
            onClose={close}
            fields={[
              { name: 'tier', label: t('opPeople.tierTitle'), kind: 'select', options: tiers, value: tenant.tier },
              { name: 'shares', label: t('opPeople.shares'), kind: 'number', value: String(tenant.shares), required: true },
              { name: 'credit_limit', label: t('opPeople.credit'), kind: 'money', hint: t('opPeople.creditHint') },
              { name: 'regions', label: t('opPeople.regions'), value: tenant.regions.join(' '), hint: t('opPeople.regionsHint') },
            ]}
            send={(values) => unwrap(api.PATCH('/v1/tenants/{tenant}', { params: { path }, body: { tier: values.tier as Tier, shares: Number(values.shares), regions: regionsOf(values.regions), ...filled(values, 'credit_limit') } }))}
          />
        )}
      </ActButton>
      <ActButton words={t('opPeople.tax')}>
        {(close) => (
          <FormDialog title={t('opPeople.tax')} act={t('opPeople.save')} onClose={close} fields={[{ name: 'percent', label: t('opPeople.taxPercent'), kind: 'number', required: true, hint: t('opPeople.taxHint') }]} send={(values) => unwrap(api.PUT('/v1/tenants/{tenant}/tax', { params: { path }, body: { tax_ppm: Math.round(Number(values.percent) * 10_000) } }))} />
        )}
      </ActButton>
      <ActButton words={suspend}>
        {(close) => (
          <FormDialog title={suspend} act={suspend} danger={!suspended} onClose={close} fields={[]} send={() => unwrap(api.PATCH('/v1/tenants/{tenant}', { params: { path }, body: { status: suspended ? 'active' : 'suspended' } }))}>
            <p>{suspended ? t('opPeople.readmitText') : t('opPeople.suspendText')}</p>
          </FormDialog>
        )}
      </ActButton>
    </div>
  );
}

function Projects({ tenant, mayChange }: { tenant: string; mayChange: boolean }) {
  const { t } = useTranslation();
  const projects = useQuery(q.projects(tenant));
  const create = (
    <ActButton words={t('opPeople.newProject')} small>
      {(close) => <FormDialog title={t('opPeople.newProject')} act={t('opPeople.create')} onClose={close} fields={[{ name: 'name', label: t('opPeople.name'), required: true, wide: true, hint: t('opCluster.nameHint') }]} send={(values) => unwrap(api.POST('/v1/tenants/{tenant}/projects', { params: { path: { tenant }, header: once() }, body: { name: values.name ?? '' } }))} />}
    </ActButton>
  );
  return (
    <Section title={t('opPeople.projects')} aside={mayChange && create}>
      <Answer query={projects} lines={2}>
        {(page) => (
          <ul className="chips">
            {page.items.map((project) => (
              <li key={project.id} className="chip">{project.name}</li>
            ))}
          </ul>
        )}
      </Answer>
    </Section>
  );
}

function Users({ tenant, mayChange }: { tenant: string; mayChange: boolean }) {
  const { t } = useTranslation();
  const users = useQuery(q.users(tenant));
  return (
    <Section title={t('opPeople.users')} aside={mayChange && <NewUser tenant={tenant} small />} flush>
      <Answer query={users} lines={2}>{(page) => (page.items.length === 0 ? <p className="pad faint">{t('opPeople.noUsers')}</p> : <UserTable users={page.items} mayChange={mayChange} short />)}</Answer>
    </Section>
  );
}

function Transfers({ tenant }: { tenant: string }) {
  const { t } = useTranslation();
  const [search] = useAddress();
  const transfers = useQuery(q.transfers(tenant, search.cursor));
  const columns: Column<Schemas['Transfer']>[] = [
    { key: 'at', title: t('opPeople.at'), card: 'head', cell: (row) => <When at={row.at} /> },
    { key: 'reason', title: t('opPeople.kind'), card: 'head', cell: (row) => t(`opPeople.transfer.${row.reason}`, { defaultValue: row.reason }) },
    { key: 'amount', title: t('opPeople.amount'), align: 'right', card: 'head-end', cell: (row) => <Amount value={row.amount} currency={row.currency} calm /> },
    { key: 'job', title: t('opPeople.job'), cell: (row) => row.job && <Link to="/jobs/$job" params={{ job: row.job }}><span className="short-id mono">{row.job}</span></Link> },
    { key: 'memo', title: t('opPeople.memo'), className: 'wrap-cell', cell: (row) => row.memo },
  ];
  return (
    <Section title={t('opPeople.transfers')} flush>
      <PagedTable query={transfers} columns={columns} rowKey={(row) => row.id} caption={t('opPeople.transfers')} empty={{ title: t('opPeople.noTransfers') }} />
    </Section>
  );
}

