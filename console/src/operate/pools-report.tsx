// What the time of each pool cost and earned: what became of its hours, idle cost by cause, the utilisation at which it breaks even.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { useFormat, useTitle } from '../ui/hooks';
import { Empty, PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { BusinessTabs } from './frame';
import { decimal, micros } from './money';
import { Amount, Answer, Percent, PeriodChooser, type Piece, Stack, usePeriod } from './parts';
import { asQuery } from './period';
import { q, type Schemas } from './queries';

type Row = Schemas['PoolReport'];
const CAUSES = ['worked', 'idle', 'reserve', 'maintenance', 'outage', 'overlap'] as const;

export function PoolsReportPage() {
  const { t } = useTranslation();
  useTitle(t('opBiz.poolsTitle'));
  const report = useQuery(q.poolsReport(asQuery(usePeriod())));
  return (
    <>
      <PageHead title={t('opBiz.poolsTitle')} />
      <BusinessTabs />
      <PeriodChooser />
      <Answer query={report} lines={8}>
        {(data) =>
          data.rows.length === 0 ? (
            <Section><Empty title={t('opBiz.noPools')} /></Section>
          ) : (
            <div className="op-stack">
              <Causes rows={data.rows} />
              <Section flush><PoolTable rows={data.rows} /></Section>
            </div>
          )
        }
      </Answer>
    </>
  );
}

/** Cost of all pools by what their time was spent on, each currency by itself. */
function Causes({ rows }: { rows: readonly Row[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const currencies = [...new Set(rows.map((row) => row.currency))];
  return (
    <Section title={t('opBiz.causes')}>
      {currencies.map((currency) => {
        const pieces = CAUSES.map((key): Piece => {
          const total = rows.filter((row) => row.currency === currency).reduce((sum, row) => sum + micros(row[key]), 0n);
          return { key, label: t(`opBiz.cause.${key}`), size: Number(total), text: format.money(decimal(total), currency) };
        });
        return pieces.some((piece) => piece.size > 0) ? <Stack key={currency} pieces={pieces} /> : <p key={currency} className="faint">{t('opBiz.noCost')}</p>;
      })}
    </Section>
  );
}

function PoolTable({ rows }: { rows: readonly Row[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  // Tenths of thousands of hours say nothing.
  const hours = (n: number) => format.number(n, n >= 1000 ? 0 : 1);
  const amount = (pick: (row: Row) => string | null | undefined) => (row: Row) => { const value = pick(row); return value == null ? <span className="faint">–</span> : <Amount value={value} currency={row.currency} />; };
  const columns: Column<Row>[] = [
    { key: 'name', title: t('opBiz.by.pool'), card: 'head', className: 'nowrap', cell: (row) => <span><strong>{row.name}</strong> <span className="chip">{t(`mode.${row.mode}`)}</span></span> },
    { key: 'hours', title: t('opBiz.hours'), align: 'right', cell: (row) => t(`opBiz.unit.${row.unit}`, { n: hours(row.allocated_hours), total: hours(row.total_hours), defaultValue: hours(row.allocated_hours) }) },
    { key: 'use', title: t('opBiz.utilisation'), align: 'right', cell: (row) => <Percent value={row.utilisation_percent} /> },
    { key: 'even', title: t('opBiz.breakEven'), align: 'right', cell: (row) => <BreakEven row={row} /> },
    { key: 'used', title: t('opBiz.usedPercent'), align: 'right', cell: (row) => <Percent value={row.used_percent} /> },
    { key: 'unit', title: t('opBiz.costHour'), align: 'right', cell: amount((row) => row.cost_per_hour) },
    { key: 'earned', title: t('opBiz.revenueHour'), align: 'right', cell: amount((row) => row.revenue_per_hour) },
    { key: 'idle', title: t('opBiz.cause.idle'), align: 'right', cell: amount((row) => row.idle) },
    { key: 'cost', title: t('op.money.cost'), align: 'right', cell: amount((row) => row.cost) },
    { key: 'revenue', title: t('op.money.revenue'), align: 'right', cell: amount((row) => row.revenue) },
    { key: 'margin', title: t('op.money.margin'), align: 'right', card: 'head-end', cell: amount((row) => row.margin) },
  ];
  return <DataTable columns={columns} rows={rows} rowKey={(row) => `${row.pool} ${row.currency}`} caption={t('opBiz.poolsTitle')} />;
}

/** The utilisation at which a pool breaks even, told apart by whether it is reached. */
function BreakEven({ row }: { row: Row }) {
  const { t } = useTranslation();
  const format = useFormat();
  if (row.break_even_percent == null) return <span className="faint">–</span>;
  const reached = row.utilisation_percent != null && Number(row.utilisation_percent) >= Number(row.break_even_percent);
  const percent = format.number(Number(row.break_even_percent));
  return <span className={reached ? 'good-text' : 'warn-text'}>{reached ? t('opBiz.reached', { percent }) : t('opBiz.notReached', { percent })}</span>;
}
