// Money granted for free: who may draw on it, for what, how much is left.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useFormat, useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import type { Column } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { ActButton, dayStart, filled, FormDialog } from './form';
import { BusinessTabs } from './frame';
import { Amount, Bar, PagedTable, Tag, type Tone } from './parts';
import { useChipOptions, useTenantOptions } from './pick';
import { once, q, type Schemas } from './queries';

const TONES: Record<Schemas['GrantState'], Tone> = { given: 'run', in_force: 'good', over: 'off', revoked: 'bad' };

export function GrantsPage() {
  const { t } = useTranslation();
  useTitle(t('op.nav.grants'));
  const [search] = useAddress();
  const format = useFormat();
  const grants = useQuery(q.grants(search.cursor));
  const mayChange = useMayChange();
  const columns: (Column<Schemas['Grant']> | false)[] = [
    { key: 'number', title: t('opBiz.number'), card: 'head', cell: (row) => row.number },
    { key: 'tenant', title: t('opBiz.by.tenant'), card: 'head', cell: (row) => <Link to="/operate/tenants/$tenant" params={{ tenant: row.tenant_name }}>{row.tenant_name}</Link> },
    { key: 'state', title: t('opBiz.state'), card: 'head-end', cell: (row) => <Tag tone={TONES[row.state]}>{t(`opBiz.grantState.${row.state}`)}</Tag> },
    { key: 'note', title: t('opBiz.note'), cell: (row) => row.note },
    { key: 'to', title: t('opBiz.until'), cell: (row) => format.day(row.to) },
    { key: 'amount', title: t('opBiz.amount'), align: 'right', cell: (row) => <Amount value={row.amount} currency={row.currency} /> },
    { key: 'drawn', title: t('opBiz.drawn'), align: 'right', cell: (row) => <Bar value={row.drawn} of={row.amount}><Amount value={row.drawn} currency={row.currency} /></Bar> },
    { key: 'left', title: t('opBiz.left'), align: 'right', cell: (row) => <Amount value={row.left} currency={row.currency} /> },
    mayChange && { key: 'act', title: '', align: 'right', cell: (row) => (row.state === 'given' || row.state === 'in_force') && <ActButton words={t('opBiz.revokeGrant')} small>{(close) => <RevokeDialog grant={row} onClose={close} />}</ActButton> },
  ];
  return (
    <>
      <PageHead title={t('op.nav.grants')}>{mayChange && <ActButton words={t('opBiz.newGrant')} primary>{(close) => <GrantDialog onClose={close} />}</ActButton>}</PageHead>
      <BusinessTabs />
      <Section flush>
        <PagedTable query={grants} columns={columns} rowKey={(row) => String(row.number)} caption={t('op.nav.grants')} empty={{ title: t('opBiz.noGrants'), text: t('opBiz.noGrantsText') }} />
      </Section>
    </>
  );
}

function RevokeDialog({ grant, onClose }: { grant: Schemas['Grant']; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <FormDialog
      title={t('opBiz.revokeGrant')}
      act={t('opBiz.revokeGrant')}
      danger
      onClose={onClose}
      fields={[{ name: 'note', label: t('opBiz.note'), wide: true }]}
      send={(values) => unwrap(api.POST('/v1/grants/{grant}/revoke', { params: { path: { grant: grant.number as never }, header: once() }, body: { note: values.note ?? '' } }))}
    >
      <p>{t('opBiz.revokeGrantText')}</p>
    </FormDialog>
  );
}

function GrantDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const tenants = useTenantOptions();
  const chips = useChipOptions(t('opBiz.anyChip'));
  return (
    <FormDialog
      title={t('opBiz.newGrant')}
      act={t('opBiz.grant')}
      onClose={onClose}
      fields={[
        { name: 'tenant', label: t('opBiz.by.tenant'), kind: 'select', options: tenants, required: true },
        { name: 'amount', label: t('opBiz.amount'), kind: 'money', required: true },
        { name: 'from', label: t('op.period.from'), kind: 'date', hint: t('opBiz.fromHint') },
        { name: 'to', label: t('opBiz.until'), kind: 'date', required: true },
        { name: 'project', label: t('opBiz.by.project') },
        { name: 'user', label: t('opBiz.by.user') },
        { name: 'chip', label: t('opBiz.chip'), kind: 'select', options: chips },
        { name: 'note', label: t('opBiz.note'), required: true },
      ]}
      send={(values) =>
        unwrap(
          api.POST('/v1/tenants/{tenant}/grants', {
            params: { path: { tenant: values.tenant ?? '' }, header: once() },
            body: { amount: values.amount ?? '', note: values.note ?? '', to: dayStart(values.to) ?? '', ...(values.from ? { from: dayStart(values.from) } : {}), ...filled(values, 'project', 'user', 'chip') },
          }),
        )
      }
    />
  );
}
