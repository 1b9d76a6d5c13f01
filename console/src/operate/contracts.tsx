// All tenants' contracts, and the form in which one is signed.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useFormat, useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import type { Column } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { commitmentsOf, ContractParts, includedOf } from './contract-form';
import { ActButton, dayStart, filled, FormDialog, type Values } from './form';
import { BusinessTabs } from './frame';
import { Amount, PagedTable, Tag, type Tone } from './parts';
import { type Tier, useTenantOptions, useTierOptions } from './pick';
import { once, q, type Schemas } from './queries';

const TONES: Record<Schemas['ContractState'], Tone> = { signed: 'run', in_force: 'good', unpaid: 'bad', over: 'off' };

export function ContractTag({ state }: { state: Schemas['ContractState'] }) {
  const { t } = useTranslation();
  return <Tag tone={TONES[state]}>{t(`opBiz.contractState.${state}`)}</Tag>;
}

export function ContractsPage() {
  const { t } = useTranslation();
  useTitle(t('op.nav.contracts'));
  const [search] = useAddress();
  const format = useFormat();
  const contracts = useQuery(q.contracts(search.cursor));
  const mayChange = useMayChange();
  const columns: Column<Schemas['Contract']>[] = [
    { key: 'number', title: t('opBiz.number'), card: 'head', cell: (row) => <Link to="/operate/business/contracts/$contract" params={{ contract: String(row.number) }} className="row-link">{row.number}</Link> },
    { key: 'name', title: t('opBiz.name'), card: 'head', cell: (row) => <strong>{row.name}</strong> },
    { key: 'state', title: t('opBiz.state'), card: 'head-end', cell: (row) => <ContractTag state={row.state} /> },
    { key: 'tenant', title: t('opBiz.by.tenant'), cell: (row) => row.tenant_name },
    { key: 'tier', title: t('opBiz.tier'), cell: (row) => t(`opPeople.tier.${row.tier}`) },
    { key: 'from', title: t('op.period.from'), cell: (row) => format.day(row.from) },
    { key: 'to', title: t('op.period.to'), cell: (row) => format.dayBefore(row.to) },
    { key: 'fee', title: t('opBiz.feeMonth'), align: 'right', cell: (row) => <Amount value={row.fee} currency={row.currency} /> },
    { key: 'commit', title: t('opBiz.commitments'), align: 'right', cell: (row) => row.commit.length },
  ];
  return (
    <>
      <PageHead title={t('op.nav.contracts')}>{mayChange && <ActButton words={t('opBiz.newContract')} primary>{(close) => <ContractDialog onClose={close} />}</ActButton>}</PageHead>
      <BusinessTabs />
      <Section flush>
        <PagedTable query={contracts} columns={columns} rowKey={(row) => String(row.number)} rowClass={() => 'is-link'} caption={t('op.nav.contracts')} empty={{ title: t('opBiz.noContracts'), text: t('opBiz.noContractsText') }} />
      </Section>
    </>
  );
}

function contractOf(values: Values): Schemas['ContractCreate'] {
  return {
    name: values.name ?? '',
    tier: values.tier as Tier,
    to: dayStart(values.to) ?? '',
    ...(values.from ? { from: dayStart(values.from) } : {}),
    ...filled(values, 'fee'),
    ...(values.early ? { early_end: values.early } : {}),
    unused: values.unused === 'carry' ? 'carry' : 'lapse',
    commit: commitmentsOf(values),
    include: includedOf(values),
  };
}

function ContractDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const tenants = useTenantOptions();
  const tiers = useTierOptions();
  return (
    <FormDialog
      title={t('opBiz.newContract')}
      act={t('opBiz.sign')}
      onClose={onClose}
      send={(values) => unwrap(api.POST('/v1/tenants/{tenant}/contracts', { params: { path: { tenant: values.tenant ?? '' }, header: once() }, body: contractOf(values) }))}
      fields={[
        { name: 'tenant', label: t('opBiz.by.tenant'), kind: 'select', options: tenants, required: true },
        { name: 'name', label: t('opBiz.name'), required: true, hint: t('opCluster.nameHint') },
        { name: 'from', label: t('op.period.from'), kind: 'date', hint: t('opBiz.fromHint') },
        { name: 'to', label: t('opBiz.toExcluded'), kind: 'date', required: true },
        { name: 'tier', label: t('opBiz.tier'), kind: 'select', options: [...tiers].reverse() },
        { name: 'fee', label: t('opBiz.feeMonth'), kind: 'money' },
        { name: 'unused', label: t('opBiz.unusedHours'), kind: 'select', options: [{ value: 'lapse', label: t('opBiz.lapse') }, { value: 'carry', label: t('opBiz.carry') }] },
        { name: 'early', label: t('opBiz.earlyEnd'), kind: 'money', hint: t('opBiz.earlyHint') },
      ]}
      more={<ContractParts />}
    >
      <p className="faint">{t('opBiz.contractText')}</p>
    </FormDialog>
  );
}
