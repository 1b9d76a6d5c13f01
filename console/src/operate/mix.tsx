// Own against partners' supply, month by month.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { useFormat, useTitle } from '../ui/hooks';
import { Empty, PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { BusinessTabs } from './frame';
import { micros } from './money';
import { Amount, Answer, Percent, PeriodChooser, type Piece, Stack, usePeriod } from './parts';
import { asQuery } from './period';
import { q, type Schemas } from './queries';

type Row = Schemas['MixRow'];

export function MixPage() {
  const { t } = useTranslation();
  useTitle(t('opBiz.mixTitle'));
  const report = useQuery(q.mix(asQuery(usePeriod())));
  return (
    <>
      <PageHead title={t('opBiz.mixTitle')} />
      <BusinessTabs />
      <PeriodChooser />
      <Answer query={report} lines={6}>
        {(data) =>
          data.rows.length === 0 ? (
            <Section><Empty title={t('opBiz.noWork')}><p>{t('opBiz.noWorkText')}</p></Empty></Section>
          ) : (
            <div className="op-stack">
              <div className="op-two">
                {[...new Set(data.rows.map((row) => `${row.month} ${row.currency}`))].map((key) => (
                  <Month key={key} rows={data.rows.filter((row) => `${row.month} ${row.currency}` === key)} />
                ))}
              </div>
              <Section flush><MixTable rows={data.rows} /></Section>
            </div>
          )
        }
      </Answer>
    </>
  );
}

function Month({ rows }: { rows: readonly Row[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const pieces = (size: (row: Row) => number, text: (row: Row) => string): Piece[] => rows.map((row) => ({ key: row.mode, label: t(`mode.${row.mode}`), size: size(row), text: text(row) }));
  return (
    <Section title={rows[0]?.month}>
      <div className="op-stack">
        <div>
          <p className="faint">{t('op.money.revenue')}</p>
          <Stack pieces={pieces((row) => Math.max(0, Number(micros(row.revenue))), (row) => format.money(row.revenue, row.currency))} />
        </div>
        <div>
          <p className="faint">{t('op.money.cost')}</p>
          <Stack pieces={pieces((row) => Math.max(0, Number(micros(row.cost))), (row) => format.money(row.cost, row.currency))} />
        </div>
        <div>
          <p className="faint">{t('opBiz.cardHours')}</p>
          <Stack pieces={pieces((row) => row.card_hours, (row) => format.number(row.card_hours))} />
        </div>
      </div>
    </Section>
  );
}

function MixTable({ rows }: { rows: readonly Row[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const columns: Column<Row>[] = [
    { key: 'month', title: t('opBiz.by.month'), card: 'head', cell: (row) => row.month },
    { key: 'mode', title: t('opBiz.by.mode'), card: 'head', cell: (row) => t(`mode.${row.mode}`) },
    { key: 'cores', title: t('opBiz.coreHours'), align: 'right', cell: (row) => format.number(row.core_hours) },
    { key: 'coresShare', title: t('opBiz.share'), align: 'right', card: 'hide', cell: (row) => <Percent value={row.core_hours_percent} /> },
    { key: 'cards', title: t('opBiz.cardHours'), align: 'right', cell: (row) => format.number(row.card_hours) },
    { key: 'cardsShare', title: t('opBiz.share'), align: 'right', card: 'hide', cell: (row) => <Percent value={row.card_hours_percent} /> },
    { key: 'cost', title: t('op.money.cost'), align: 'right', cell: (row) => <Amount value={row.cost} currency={row.currency} /> },
    { key: 'costShare', title: t('opBiz.share'), align: 'right', card: 'hide', cell: (row) => <Percent value={row.cost_percent} /> },
    { key: 'revenue', title: t('op.money.revenue'), align: 'right', cell: (row) => <Amount value={row.revenue} currency={row.currency} /> },
    { key: 'revenueShare', title: t('opBiz.share'), align: 'right', card: 'hide', cell: (row) => <Percent value={row.revenue_percent} /> },
  ];
  return <DataTable columns={columns} rows={rows} rowKey={(row) => `${row.month} ${row.mode} ${row.currency}`} caption={t('opBiz.mixTitle')} />;
}
