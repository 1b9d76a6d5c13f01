// Who owes the operator and whom the operator owes, by age.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { useFormat, useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { BusinessTabs } from './frame';
import { Amount, Answer } from './parts';
import { q, type Schemas } from './queries';

export function AgeingPage() {
  const { t } = useTranslation();
  useTitle(t('opBiz.ageingTitle'));
  const report = useQuery(q.ageing);
  return (
    <>
      <PageHead title={t('opBiz.ageingTitle')} />
      <BusinessTabs />
      <Answer query={report} lines={6}>
        {(data) => (
          <div className="op-stack">
            <Receivables rows={data.receivables} />
            <Payables rows={data.payables} />
          </div>
        )}
      </Answer>
    </>
  );
}

/** The API tells the end of the day of the oldest unpaid charge. */
const DAY_MS = 86_400_000;

type Aged = { ages: Schemas['Ages']; currency: string };

function useAges<T extends Aged>(): Column<T>[] {
  const { t } = useTranslation();
  const ages = (['up_to_30', 'up_to_60', 'up_to_90', 'over_90'] as const).map((age): Column<T> => ({ key: age, title: t(`opBiz.age.${age}`), align: 'right', cell: (row) => <Amount value={row.ages[age]} currency={row.currency} /> }));
  return ages;
}

function Receivables({ rows }: { rows: readonly Schemas['Receivable'][] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const ages = useAges<Schemas['Receivable']>();
  const columns: Column<Schemas['Receivable']>[] = [
    { key: 'name', title: t('opBiz.by.tenant'), card: 'head', cell: (row) => <Link to="/operate/tenants/$tenant" params={{ tenant: row.name }}>{row.name}</Link> },
    { key: 'owed', title: t('opBiz.owed'), align: 'right', card: 'head-end', cell: (row) => <strong><Amount value={row.owed} currency={row.currency} /></strong> },
    { key: 'since', title: t('opBiz.since'), cell: (row) => row.since && <time dateTime={row.since}>{format.day(new Date(Date.parse(row.since) - DAY_MS).toISOString())}</time> },
    ...ages,
  ];
  return (
    <Section title={t('opBiz.receivables')} flush>
      {rows.length === 0 ? <p className="pad faint">{t('opBiz.nobodyOwes')}</p> : <DataTable columns={columns} rows={rows} rowKey={(row) => row.tenant} caption={t('opBiz.receivables')} />}
    </Section>
  );
}

function Payables({ rows }: { rows: readonly Schemas['Payable'][] }) {
  const { t } = useTranslation();
  const ages = useAges<Schemas['Payable']>();
  const columns: Column<Schemas['Payable']>[] = [
    { key: 'name', title: t('opBiz.by.supplier'), card: 'head', cell: (row) => <Link to="/operate/business/suppliers">{row.name}</Link> },
    { key: 'owed', title: t('opBiz.owed'), align: 'right', card: 'head-end', cell: (row) => <strong><Amount value={row.owed} currency={row.currency} /></strong> },
    { key: 'accrued', title: t('opBiz.accrued'), align: 'right', cell: (row) => <Amount value={row.accrued} currency={row.currency} /> },
    ...ages,
  ];
  return (
    <Section title={t('opBiz.payables')} flush>
      {rows.length === 0 ? <p className="pad faint">{t('opBiz.nobodyOwed')}</p> : <DataTable columns={columns} rows={rows} rowKey={(row) => `${row.supplier} ${row.currency}`} caption={t('opBiz.payables')} />}
    </Section>
  );
}
