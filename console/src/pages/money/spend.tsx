// What work cost, by project, user or pool, over the last days, weeks or months: bars, and the same as a table.
import { useQueries, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { billQuery, spendQuery } from '../../api/money';
import { walletQuery } from '../../api/queries';
import { decimal, part } from '../../lib/decimal';
import { type BillBy, hours, SPEND_BY, SPEND_SPANS, type SpendBy, spendOf, spendOfDays, type Spent, stretches, type SpendSpan, top, totals } from '../../lib/spend';
import { Bars, SERIES, Swatch } from '../../ui/bars';
import { useFormat } from '../../ui/hooks';
import { Empty, ErrorNote, Loading, Section } from '../../ui/parts';
import { type Column, DataTable } from '../../ui/table';
import { MoneyFrame, useMe } from './frame';
import { UsageSums } from './usage';

const route = getRouteApi('/shell/money/spend');

export function SpendPage() {
  const { t } = useTranslation();
  const { by = 'project', span = 'days' } = route.useSearch();
  // "Now" is the moment the page is opened: bills of the same stretches keep their keys.
  const [opened] = useState(() => Date.now());
  const asked = useMemo(() => stretches(span, opened), [span, opened]);
  const first = asked[0]?.from ?? '';
  return (
    <MoneyFrame title={t('money.spend')}>
      <div className="choices">
        <nav className="views" aria-label={t('spend.span')}>
          {SPEND_SPANS.map((name) => (
            <Link key={name} to="/money/spend" search={{ by, span: name }} className={name === span ? 'view is-active' : 'view'} aria-current={name === span ? 'true' : undefined}>
              {t(`spend.${name}`)}
            </Link>
          ))}
        </nav>
        <nav className="views" aria-label={t('spend.by')}>
          {SPEND_BY.map((name) => (
            <Link key={name} to="/money/spend" search={{ by: name, span }} className={name === by ? 'view is-active' : 'view'} aria-current={name === by ? 'true' : undefined}>
              {t(byWord(name))}
            </Link>
          ))}
        </nav>
      </div>
      {by === 'line' ? <ByLine asked={asked} /> : <Spending asked={asked} by={by} />}
      <UsageSums from={first} />
      <p className="exports">
        <a href={`/v1/bill?${new URLSearchParams({ format: 'csv', from: first }).toString()}`} download>
          {t('spend.focus')}
        </a>
        <span className="faint">{t('spend.note')}</span>
      </p>
    </MoneyFrame>
  );
}

const byWord = (by: SpendBy): string => (by === 'line' ? 'spend.line' : `job.${by}`);

/** By product line: the sums of days, in one answer. */
function ByLine({ asked }: { asked: ReturnType<typeof stretches> }) {
  const { t } = useTranslation();
  const tenant = useMe()?.tenant ?? '';
  const spend = useQuery({ ...spendQuery(tenant, 'line', asked[0]?.from ?? ''), enabled: tenant !== '' });
  const data = spend.data;
  if (spend.error && !data) return <ErrorNote error={spend.error} onRetry={() => void spend.refetch()} />;
  if (!data) {
    return (
      <Section>
        <Loading lines={6} />
      </Section>
    );
  }
  const named = data.rows.map((row) => ({ ...row, key: row.key === '-' ? t('spend.unknown') : t(`line.${row.key}`) }));
  return <Shown spent={spendOfDays(named, asked)} asked={asked} by="line" currency={data.currency} />;
}

function Spending({ asked, by }: { asked: ReturnType<typeof stretches>; by: BillBy }) {
  const { t } = useTranslation();
  const tenant = useMe()?.tenant ?? '';
  const wallet = useQuery({ ...walletQuery(tenant), enabled: tenant !== '' });
  const bills = useQueries({ queries: asked.map((stretch) => billQuery(tenant, stretch)) });
  const failed = bills.find((bill) => bill.error && !bill.data);
  const ready = bills.every((bill) => bill.data);
  const currency = wallet.data?.currency ?? bills.flatMap((bill) => bill.data?.total ?? [])[0]?.currency ?? '';
  if (failed) return <ErrorNote error={failed.error} onRetry={() => bills.forEach((bill) => bill.error && void bill.refetch())} />;
  if (!ready || currency === '') {
    return (
      <Section>
        <Loading lines={6} />
      </Section>
    );
  }
  return (
    <>
      {bills.some((bill) => bill.data?.truncated) && <div className="note note-wait">{t('spend.truncated')}</div>}
      <Shown spent={spendOf(bills.map((bill) => bill.data), by, currency)} asked={asked} by={by} currency={currency} />
    </>
  );
}

function Shown({ spent, asked, by, currency }: { spent: Spent[]; asked: ReturnType<typeof stretches>; by: SpendBy; currency: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { span = 'days' } = route.useSearch();
  const money = (value: bigint) => format.money(decimal(value), currency);
  const all = totals(spent, asked.length).reduce((total, value) => total + value, 0n);
  if (spent.length === 0) {
    return (
      <Section>
        <Empty title={t('spend.noneTitle')}>
          <p>{t('spend.noneText')}</p>
          <Link to="/submit">{t('nav.submitJob')}</Link>
        </Empty>
      </Section>
    );
  }
  const few = top(spent, SERIES);
  return (
    <Section title={t('spend.total', { amount: money(all) })} aside={<span className="faint">{t('spend.since', { day: format.day(asked[0]?.from ?? '') })}</span>} flush>
      <Bars
        label={t('spend.chart', { by: t(byWord(by)), amount: money(all) })}
        stretches={asked.map((stretch) => labelOf(stretch, span, format))}
        series={few}
        print={(value) => format.moneyCompact(decimal(value), currency)}
      />
      <SpentTable few={few} all={all} by={by} money={money} />
    </Section>
  );
}

function labelOf({ from }: { from: string }, span: SpendSpan, format: ReturnType<typeof useFormat>) {
  return { key: from, short: span === 'months' ? format.monthName(from) : format.dayShort(from), full: format.day(from) };
}

function SpentTable({ few, all, by, money }: { few: Spent[]; all: bigint; by: SpendBy; money: (value: bigint) => string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const cards = few.some((one) => one.cards > 0n);
  const columns: (Column<Spent> | false)[] = [
    {
      key: 'name',
      title: t(byWord(by)),
      card: 'head',
      cell: (one) => (
        <span className="legend">
          <Swatch at={few.indexOf(one)} />
          {one.name === '' ? (
            t('spend.others')
          ) : by === 'project' || by === 'line' ? (
            one.name
          ) : (
            <Link to="/jobs" search={by === 'user' ? { user: one.name } : { pool: one.name }}>
              {one.name}
            </Link>
          )}
        </span>
      ),
    },
    { key: 'cores', title: t('spend.coreHours'), align: 'right', cell: (one) => format.number(hours(one.cores), 1) },
    cards && { key: 'cards', title: t('spend.cardHours'), align: 'right', cell: (one) => format.number(hours(one.cards), 1) },
    { key: 'share', title: t('spend.share'), align: 'right', cell: (one) => `${format.number(part(one.charge, all) * 100, 0)}%` },
    { key: 'charge', title: t('jobs.charged'), align: 'right', card: 'head-end', cell: (one) => money(one.charge) },
  ];
  return <DataTable caption={t('money.spend')} columns={columns} rows={few} rowKey={(one) => one.name} />;
}
