// What each tenant brought and cost, and what one of its active users brought.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { useFormat, useTitle } from '../ui/hooks';
import { Empty, PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { BusinessTabs } from './frame';
import { Totals } from './margin';
import { largest } from './money';
import { Amount, Answer, Bar, Percent, PeriodChooser, usePeriod } from './parts';
import { asQuery } from './period';
import { q, type Schemas } from './queries';

export function EarnersPage() {
  const { t } = useTranslation();
  useTitle(t('opBiz.earnersTitle'));
  const report = useQuery(q.earners(asQuery(usePeriod())));
  return (
    <>
      <PageHead title={t('opBiz.earnersTitle')} />
      <BusinessTabs />
      <PeriodChooser />
      <Section flush>
        <Answer query={report} lines={6}>
          {(data) =>
            data.rows.length === 0 ? (
              <Empty title={t('opBiz.noWork')}><p>{t('opBiz.noWorkText')}</p></Empty>
            ) : (
              <>
                <EarnerTable rows={data.rows} />
                <Totals totals={data.total} />
              </>
            )
          }
        </Answer>
      </Section>
    </>
  );
}

function EarnerTable({ rows }: { rows: readonly Schemas['TenantRow'][] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const most = largest(rows.map((row) => row.revenue));
  const columns: Column<Schemas['TenantRow']>[] = [
    { key: 'tenant', title: t('opBiz.by.tenant'), card: 'head', cell: (row) => (row.tenant === '-' ? <span className="faint">{t('opBiz.noneOf')}</span> : <Link to="/operate/tenants/$tenant" params={{ tenant: row.tenant }}>{row.tenant}</Link>) },
    { key: 'users', title: t('opBiz.activeUsers'), align: 'right', cell: (row) => format.number(row.active_users) },
    { key: 'revenue', title: t('op.money.revenue'), align: 'right', cell: (row) => <Bar value={row.revenue} of={most}><Amount value={row.revenue} currency={row.currency} /></Bar> },
    { key: 'each', title: t('opBiz.perUser'), align: 'right', cell: (row) => row.revenue_per_user != null && <Amount value={row.revenue_per_user} currency={row.currency} /> },
    { key: 'cost', title: t('op.money.cost'), align: 'right', cell: (row) => <Amount value={row.cost} currency={row.currency} /> },
    { key: 'margin', title: t('op.money.margin'), align: 'right', card: 'head-end', cell: (row) => <Amount value={row.margin} currency={row.currency} /> },
    { key: 'percent', title: t('op.money.percent'), align: 'right', cell: (row) => <Percent value={row.margin_percent} /> },
  ];
  return <DataTable columns={columns} rows={rows} rowKey={(row) => `${row.tenant} ${row.currency}`} caption={t('opBiz.earnersTitle')} />;
}
