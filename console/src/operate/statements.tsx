// Closing the month, and the statements that came of it: their sums and the numbers of the invoices written for them.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import type { Column } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { ActButton, FormDialog } from './form';
import { BusinessTabs } from './frame';
import { Amount, Choice, PagedTable, When } from './parts';
import { useTenantOptions } from './pick';
import { q, type Schemas } from './queries';

type Row = Schemas['TenantStatement'];

export function StatementsPage() {
  const { t, i18n } = useTranslation();
  useTitle(t('op.nav.statements'));
  const [search, change] = useAddress();
  const mayChange = useMayChange();
  const tenants = useTenantOptions();
  const statements = useQuery(q.statements({ tenant: search.tenant, month: search.from, cursor: search.cursor }));
  const amount = (pick: (row: Row) => string) => (row: Row) => <Amount value={pick(row)} currency={row.currency} />;
  const columns: (Column<Row> | false)[] = [
    { key: 'number', title: t('opBiz.number'), card: 'head', cell: (row) => row.number },
    { key: 'tenant', title: t('opBiz.by.tenant'), card: 'head', cell: (row) => <Link to="/operate/tenants/$tenant" params={{ tenant: row.tenant_name }}>{row.tenant_name}</Link> },
    { key: 'month', title: t('opBiz.by.month'), card: 'head-end', cell: (row) => row.month },
    { key: 'charges', title: t('opBiz.charges'), align: 'right', cell: amount((row) => row.charges) },
    { key: 'fees', title: t('opBiz.fees'), align: 'right', cell: amount((row) => row.fees) },
    { key: 'corrections', title: t('opBiz.corrections'), align: 'right', cell: amount((row) => row.corrections) },
    { key: 'tax', title: t('opBiz.tax'), align: 'right', cell: amount((row) => row.tax) },
    { key: 'due', title: t('opBiz.due'), align: 'right', cell: (row) => <strong>{amount((r) => r.due)(row)}</strong> },
    { key: 'closed', title: t('opBiz.closed'), cell: (row) => <When at={row.closed_at} /> },
    { key: 'invoice', title: t('opBiz.invoice'), cell: (row) => row.invoice ?? (mayChange && <ActButton words={t('opBiz.setInvoice')} small>{(close) => <InvoiceDialog statement={row} onClose={close} />}</ActButton>) },
    { key: 'files', title: t('opBiz.download'), cell: (row) => <span className="chips">{(['csv', 'xlsx', 'html'] as const).map((format) => <a key={format} href={`/v1/statements/${row.number}?format=${format}&lang=${i18n.language}`} download>{format.toUpperCase()}</a>)}</span> },
  ];
  return (
    <>
      <PageHead title={t('op.nav.statements')}>{mayChange && <ActButton words={t('opBiz.closeMonth')} primary>{(close) => <CloseDialog onClose={close} />}</ActButton>}</PageHead>
      <BusinessTabs />
      <div className="op-bar">
        <Choice label={t('opBiz.by.tenant')} value={search.tenant ?? ''} options={[{ value: '', label: t('opBiz.allTenants') }, ...tenants]} onChange={(tenant) => change({ tenant: tenant || undefined })} />
        <label className="op-inline">
          <span>{t('opBiz.by.month')}</span>
          <input type="month" className="field" value={search.from ?? ''} onChange={(event) => change({ from: event.target.value || undefined })} />
        </label>
      </div>
      <Section flush>
        <PagedTable query={statements} columns={columns} rowKey={(row) => String(row.number)} caption={t('op.nav.statements')} empty={{ title: t('opBiz.noStatements'), text: t('opBiz.noStatementsText') }} />
      </Section>
    </>
  );
}

function CloseDialog({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const tenants = useTenantOptions();
  return (
    <FormDialog
      title={t('opBiz.closeMonth')}
      act={t('opBiz.closeMonth')}
      onClose={onClose}
      fields={[
        { name: 'month', label: t('opBiz.by.month'), kind: 'month', hint: t('opBiz.closeHint') },
        { name: 'tenant', label: t('opBiz.by.tenant'), kind: 'select', options: [{ value: '', label: t('opBiz.allTenants') }, ...tenants] },
      ]}
      send={(values) => unwrap(api.POST('/v1/statements', { body: { month: values.month || null, tenant: values.tenant || null } }))}
      done={(answer) => {
        const done = answer as Schemas['StatementsClosed'];
        return <p>{done.closed === 0 ? t('opBiz.closedNone', { month: done.month }) : t('opBiz.closedSome', { count: done.closed, month: done.month })}{done.more && ` ${t('opBiz.closeMore')}`}</p>;
      }}
    >
      <p className="faint">{t('opBiz.closeText')}</p>
    </FormDialog>
  );
}

function InvoiceDialog({ statement, onClose }: { statement: Row; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <FormDialog
      title={t('opBiz.setInvoice')}
      act={t('opBiz.save')}
      onClose={onClose}
      fields={[{ name: 'invoice', label: t('opBiz.invoice'), required: true, wide: true, hint: t('opBiz.invoiceHint') }]}
      send={(values) => unwrap(api.PUT('/v1/statements/{statement}/invoice', { params: { path: { statement: statement.number as never } }, body: { invoice: values.invoice ?? '' } }))}
    />
  );
}
