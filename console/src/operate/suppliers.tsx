// Suppliers with what they are owed and what was agreed on, and the statements that they sent.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useFormat, useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { ActButton, dayStart, filled, FormDialog } from './form';
import { BusinessTabs } from './frame';
import { ImportDialog } from './import';
import { Amount, Answer, PagedTable, Tag, type Tone, When } from './parts';
import { once, q, type Schemas } from './queries';

export function SuppliersPage() {
  const { t } = useTranslation();
  useTitle(t('op.nav.suppliers'));
  const [search] = useAddress();
  const suppliers = useQuery(q.suppliers);
  const settlements = useQuery(q.settlements(search.cursor));
  const mayChange = useMayChange();
  const partners = (suppliers.data?.items ?? []).filter((supplier) => supplier.mode === 'partner');
  return (
    <>
      <PageHead title={t('op.nav.suppliers')}>{mayChange && partners.length > 0 && <ActButton words={t('opBiz.import')} primary>{(close) => <ImportDialog suppliers={partners} onClose={close} />}</ActButton>}</PageHead>
      <BusinessTabs />
      <div className="op-stack">
        <Section flush>
          <Answer query={suppliers}>{(page) => <SupplierTable suppliers={page.items} mayChange={mayChange} />}</Answer>
        </Section>
        <Section title={t('opBiz.settlements')} flush>
          <PagedTable query={settlements} columns={useSettlementColumns()} rowKey={(row) => String(row.number)} rowClass={() => 'is-link'} caption={t('opBiz.settlements')} empty={{ title: t('opBiz.noSettlements'), text: t('opBiz.noSettlementsText') }} />
        </Section>
      </div>
    </>
  );
}

function SupplierTable({ suppliers, mayChange }: { suppliers: readonly Schemas['Supplier'][]; mayChange: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const bought = (row: Schemas['Supplier']) => row.terms?.periods.at(-1);
  const columns: (Column<Schemas['Supplier']> | false)[] = [
    { key: 'name', title: t('opBiz.by.supplier'), card: 'head', cell: (row) => <strong>{row.name}</strong> },
    { key: 'mode', title: t('opBiz.by.mode'), card: 'head-end', cell: (row) => <span className="chip">{t(`mode.${row.mode}`)}</span> },
    { key: 'accrued', title: t('opBiz.accrued'), align: 'right', cell: (row) => <Amount value={row.accrued} currency={row.currency} /> },
    { key: 'payable', title: t('opBiz.payable'), align: 'right', cell: (row) => <Amount value={row.payable} currency={row.currency} /> },
    { key: 'settles', title: t('opBiz.settles'), cell: (row) => row.terms && t(`opBiz.settlesBy.${row.terms.settles}`) },
    { key: 'minimum', title: t('opBiz.minimum'), align: 'right', cell: (row) => row.terms && <Amount value={row.terms.minimum} currency={row.currency} /> },
    { key: 'bought', title: t('opBiz.boughtNow'), align: 'right', cell: (row) => { const now = bought(row); return now && format.money(now.fees, row.currency); } },
    mayChange && { key: 'act', title: '', align: 'right', cell: (row) => row.mode === 'partner' && <ActButton words={t('opBiz.terms')} small>{(close) => <TermsDialog supplier={row} onClose={close} />}</ActButton> },
  ];
  return <DataTable columns={columns} rows={suppliers} rowKey={(row) => row.id} caption={t('op.nav.suppliers')} />;
}

function TermsDialog({ supplier, onClose }: { supplier: Schemas['Supplier']; onClose: () => void }) {
  const { t } = useTranslation();
  const { terms } = supplier;
  return (
    <FormDialog
      title={t('opBiz.termsTitle', { supplier: supplier.name })}
      act={t('opBiz.save')}
      onClose={onClose}
      fields={[
        { name: 'settles', label: t('opBiz.settles'), kind: 'select', value: terms?.settles ?? 'month', options: (['month', 'quarter'] as const).map((value) => ({ value, label: t(`opBiz.settlesBy.${value}`) })) },
        { name: 'minimum', label: t('opBiz.minimum'), kind: 'money', value: terms?.minimum ?? '' },
        { name: 'from', label: t('op.period.from'), kind: 'date', hint: t('opBiz.termFromHint') },
        { name: 'to', label: t('opBiz.toExcluded'), kind: 'date', value: terms?.to?.slice(0, 10) ?? '' },
        { name: 'utc_offset', label: t('opBiz.offset'), value: terms?.utc_offset ?? '+08:00' },
      ]}
      send={(values) =>
        unwrap(
          api.PUT('/v1/suppliers/{supplier}/terms', {
            params: { path: { supplier: supplier.id }, header: once() },
            body: { settles: values.settles === 'quarter' ? 'quarter' : 'month', ...filled(values, 'minimum', 'utc_offset'), ...(values.from ? { from: dayStart(values.from) } : {}), ...(values.to ? { to: dayStart(values.to) } : {}) },
          }),
        )
      }
    />
  );
}

const TONES: Record<Schemas['SettlementState'], Tone> = { open: 'wait', accepted: 'good', withdrawn: 'off' };

export function SettlementTag({ state }: { state: Schemas['SettlementState'] }) {
  const { t } = useTranslation();
  return <Tag tone={TONES[state]}>{t(`opBiz.settlementState.${state}`)}</Tag>;
}

function useSettlementColumns(): Column<Schemas['Settlement']>[] {
  const { t } = useTranslation();
  const format = useFormat();
  const amount = (pick: (row: Schemas['Settlement']) => string | null | undefined) => (row: Schemas['Settlement']) => { const value = pick(row); return value == null ? null : <Amount value={value} currency={row.currency} />; };
  return [
    { key: 'number', title: t('opBiz.number'), card: 'head', cell: (row) => <Link to="/operate/business/settlements/$settlement" params={{ settlement: String(row.number) }} className="row-link">{row.number}</Link> },
    { key: 'statement', title: t('opBiz.theirNumber'), card: 'head', cell: (row) => <strong>{row.statement}</strong> },
    { key: 'state', title: t('opBiz.state'), card: 'head-end', cell: (row) => <SettlementTag state={row.state} /> },
    { key: 'supplier', title: t('opBiz.by.supplier'), cell: (row) => row.supplier_name },
    { key: 'period', title: t('op.period.label'), cell: (row) => `${format.day(row.from)} – ${format.dayBefore(row.to)}` },
    { key: 'lines', title: t('opBiz.lines'), align: 'right', cell: (row) => row.lines },
    { key: 'open', title: t('opBiz.openLines'), align: 'right', cell: (row) => (row.open > 0 ? <strong className="warn-text">{row.open}</strong> : row.open) },
    { key: 'ours', title: t('opBiz.ours'), align: 'right', cell: amount((row) => row.ours) },
    { key: 'theirs', title: t('opBiz.theirs'), align: 'right', cell: amount((row) => row.theirs) },
    { key: 'payable', title: t('opBiz.payable'), align: 'right', cell: amount((row) => row.payable) },
    { key: 'at', title: t('opBiz.imported'), cell: (row) => <When at={row.imported_at} /> },
  ];
}
