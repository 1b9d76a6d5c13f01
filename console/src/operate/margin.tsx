// Margin by any two things, and by which jobs it came about. The address keeps both, the period, and what is looked into.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import type { Pool } from '../api/types';
import { useFormat, useTitle } from '../ui/hooks';
import { Empty, PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { useAddress } from './address';
import { BusinessTabs } from './frame';
import { largest, micros } from './money';
import { Amount, Answer, Bar, Choice, Percent, PeriodChooser, usePeriod } from './parts';
import { asQuery } from './period';
import { q, type Schemas } from './queries';

const DIMENSIONS = ['tenant', 'project', 'user', 'line', 'work', 'pool', 'cluster', 'supplier', 'mode', 'region', 'day', 'month', 'season'] as const;
type Dimension = (typeof DIMENSIONS)[number];
/** Those by which jobs can be told from each other. */
const DRILL: readonly Dimension[] = ['tenant', 'project', 'user', 'pool', 'cluster', 'supplier', 'mode'];
const dimension = (name: string | undefined): Dimension | undefined => DIMENSIONS.find((known) => known === name);
/** Told apart by these, the newest comes first instead of the largest. */
const IN_TIME: ReadonlySet<string> = new Set(['day', 'month', 'season']);

export function MarginPage() {
  const { t } = useTranslation();
  useTitle(t('opBiz.marginTitle'));
  const [search, change] = useAddress();
  const period = usePeriod();
  const first = dimension(search.by) ?? 'tenant';
  const second = dimension(search.and) === first ? undefined : dimension(search.and);
  const report = useQuery(q.margin([first, second].filter(Boolean).join(','), asQuery(period)));
  const options = DIMENSIONS.map((value) => ({ value, label: t(`opBiz.by.${value}`) }));
  return (
    <>
      <PageHead title={t('opBiz.marginTitle')} />
      <BusinessTabs />
      <PeriodChooser />
      <div className="op-bar">
        <Choice label={t('opBiz.first')} value={first} options={options} onChange={(by) => change({ by, key: undefined })} />
        <Choice label={t('opBiz.second')} value={second ?? ''} options={[{ value: '', label: t('opBiz.nothing') }, ...options.filter(({ value }) => value !== first)]} onChange={(and) => change({ and: and || undefined, key: undefined })} />
      </div>
      <div className="op-stack">
        <Section flush>
          <Answer query={report} lines={8}>
            {(data) => (data.rows.length === 0 ? <Empty title={t('opBiz.noWork')}><p>{t('opBiz.noWorkText')}</p></Empty> : <MarginTable report={data} dimensions={[first, ...(second ? [second] : [])]} />)}
          </Answer>
        </Section>
        {search.key && (tellsJobs(search.key) ? <Jobs chosen={search.key} onClose={() => change({ key: undefined })} /> : <Behind chosen={search.key} onClose={() => change({ key: undefined })} />)}
      </div>
    </>
  );
}

/** `tenant=physics;pool=a100`: what is looked into. */
const keyOf = (dimensions: readonly Dimension[], keys: readonly string[]): string => dimensions.map((name, at) => `${name}=${keys[at]}`).join(';');

/** Whether the jobs behind what is looked into can be told; else what lies behind is told by user and pool. */
const tellsJobs = (chosen: string): boolean => chosen.split(';').every((pair) => DRILL.some((name) => pair.startsWith(`${name}=`)) && !pair.endsWith('=-'));

function MarginTable({ report, dimensions }: { report: Schemas['Report']; dimensions: readonly Dimension[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [search, change] = useAddress();
  const inTime = IN_TIME.has(dimensions[0] ?? '');
  const rows = [...report.rows].sort((a, b) => {
    if (inTime && a.keys[0] !== b.keys[0]) return (b.keys[0] ?? '').localeCompare(a.keys[0] ?? '');
    const more = micros(b.revenue) - micros(a.revenue);
    return more > 0n ? 1 : more < 0n ? -1 : a.keys.join().localeCompare(b.keys.join());
  });
  const most = { revenue: largest(rows.map((row) => row.revenue)), margin: largest(rows.map((row) => row.margin)) };
  const keys = dimensions.map(
    (name, at): Column<Schemas['ReportRow']> => ({
      key: name,
      title: t(`opBiz.by.${name}`),
      card: 'head',
      cell: (row) => {
        const words = row.keys[at] === '-' ? <span className="faint">{t('opBiz.noneOf')}</span> : <KeyWords name={name} value={row.keys[at] ?? ''} />;
        if (at > 0) return words;
        const key = keyOf(dimensions, row.keys);
        return <button type="button" className="link-button" aria-expanded={search.key === key} onClick={() => change({ key: search.key === key ? undefined : key })}>{words}</button>;
      },
    }),
  );
  const columns: Column<Schemas['ReportRow']>[] = [
    ...keys,
    { key: 'revenue', title: t('op.money.revenue'), align: 'right', cell: (row) => <Bar value={row.revenue} of={most.revenue}><Amount value={row.revenue} currency={row.currency} /></Bar> },
    { key: 'cost', title: t('op.money.cost'), align: 'right', cell: (row) => <Amount value={row.cost} currency={row.currency} /> },
    { key: 'unused', title: t('opBiz.unused'), align: 'right', cell: (row) => <Amount value={row.unused} currency={row.currency} /> },
    { key: 'margin', title: t('op.money.margin'), align: 'right', card: 'head-end', cell: (row) => <Bar value={row.margin} of={most.margin}><Amount value={row.margin} currency={row.currency} /></Bar> },
    { key: 'percent', title: t('op.money.percent'), align: 'right', cell: (row) => <Percent value={row.margin_percent} /> },
    { key: 'cores', title: t('opBiz.coreHours'), align: 'right', cell: (row) => format.number(row.core_hours) },
    { key: 'cards', title: t('opBiz.cardHours'), align: 'right', cell: (row) => format.number(row.card_hours) },
  ];
  return (
    <>
      <DataTable columns={columns} rows={rows} rowKey={(row) => `${row.keys.join(' ')} ${row.currency}`} rowClass={(row) => (search.key === keyOf(dimensions, row.keys) ? 'is-chosen' : undefined)} caption={t('opBiz.marginTitle')} />
      <Totals totals={report.total} />
    </>
  );
}

function KeyWords({ name, value }: { name: Dimension; value: string }) {
  const { t } = useTranslation();
  if (name === 'mode') return t(`mode.${value}`);
  if (name === 'line') return t(`opBiz.line.${value}`, { defaultValue: value });
  if (name === 'work') return t(`opBiz.work.${value}`, { defaultValue: value });
  return value;
}

export function Totals({ totals }: { totals: readonly Pick<Schemas['ReportRow'], 'currency' | 'revenue' | 'cost' | 'margin' | 'margin_percent'>[] }) {
  const { t } = useTranslation();
  return (
    <div className="totals">
      {totals.map((total) => (
        <p key={total.currency}>
          <span>{t('op.money.revenue')} <strong><Amount value={total.revenue} currency={total.currency} /></strong></span>
          <span>{t('op.money.cost')} <strong><Amount value={total.cost} currency={total.currency} /></strong></span>
          <span>{t('op.money.margin')} <strong><Amount value={total.margin} currency={total.currency} /></strong> <Percent value={total.margin_percent} /></span>
        </p>
      ))}
    </div>
  );
}

/** What one cell is made of, by user and pool. */
function Behind({ chosen, onClose }: { chosen: string; onClose: () => void }) {
  const { t } = useTranslation();
  const format = useFormat();
  const report = useQuery(q.margin('user,pool', asQuery(usePeriod()), chosen));
  const keys = chosen.split(';').map((pair) => pair.slice(pair.indexOf('=') + 1));
  const name = (key: string | undefined) => (key === '-' || !key ? <span className="faint">{t('opBiz.noneOf')}</span> : key);
  const columns: Column<Schemas['ReportRow']>[] = [
    { key: 'user', title: t('opBiz.by.user'), card: 'head', cell: (row) => name(row.keys[0]) },
    { key: 'pool', title: t('opBiz.by.pool'), card: 'head', cell: (row) => name(row.keys[1]) },
    { key: 'revenue', title: t('op.money.revenue'), align: 'right', cell: (row) => <Amount value={row.revenue} currency={row.currency} /> },
    { key: 'cost', title: t('op.money.cost'), align: 'right', cell: (row) => <Amount value={row.cost} currency={row.currency} /> },
    { key: 'margin', title: t('op.money.margin'), align: 'right', card: 'head-end', cell: (row) => <Amount value={row.margin} currency={row.currency} /> },
    { key: 'cores', title: t('opBiz.coreHours'), align: 'right', cell: (row) => format.number(row.core_hours) },
    { key: 'cards', title: t('opBiz.cardHours'), align: 'right', cell: (row) => format.number(row.card_hours) },
  ];
  return (
    <Section flush title={t('opBiz.behind', { what: keys.join(' · ') })} aside={<button type="button" className="button button-small" onClick={onClose}>{t('op.close')}</button>}>
      <Answer query={report}>
        {(data) => (data.rows.length === 0 ? <p className="pad faint">{t('opBiz.noWork')}</p> : <DataTable columns={columns} rows={data.rows} rowKey={(row) => `${row.keys.join(' ')} ${row.currency}`} caption={t('opBiz.behind', { what: keys.join(' · ') })} />)}
      </Answer>
    </Section>
  );
}

interface JobLine {
  job: string;
  number: number;
  name: string;
  user: string;
  pool: string;
  currency: string;
  charge: bigint;
}

/** Whether a pool is of the cluster, supplier or mode that is looked into. */
function isOf(pool: Pool | undefined, wanted: ReadonlyMap<string, string>, suppliers: ReadonlyMap<string, string>): boolean {
  const is = (name: string, value: string | undefined) => !wanted.has(name) || wanted.get(name) === value;
  return is('cluster', pool?.cluster_name) && is('mode', pool?.mode) && is('supplier', suppliers.get(pool?.cluster ?? ''));
}

function Jobs({ chosen, onClose }: { chosen: string; onClose: () => void }) {
  const { t } = useTranslation();
  const span = asQuery(usePeriod());
  const wanted = new Map(chosen.split(';').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
  const bill = useQuery(q.bill(wanted.get('tenant'), undefined, span));
  const margins = useQuery(q.jobMargin(span));
  const pools = new Map((useQuery(q.pools).data?.items ?? []).map((pool) => [pool.name, pool]));
  const suppliers = new Map((useQuery(q.clusters).data?.items ?? []).map((cluster) => [cluster.id, cluster.supplier_name]));
  return (
    <Section flush title={t('opBiz.jobsOf', { what: [...wanted.values()].join(' · ') })} aside={<button type="button" className="button button-small" onClick={onClose}>{t('op.close')}</button>}>
      <Answer query={bill}>
        {(data) => {
          const jobs = new Map<string, JobLine>();
          for (const line of data.lines) {
            const fits = (name: 'tenant' | 'project' | 'user' | 'pool') => !wanted.has(name) || wanted.get(name) === line[name];
            if (!(fits('tenant') && fits('project') && fits('user') && fits('pool') && isOf(pools.get(line.pool), wanted, suppliers))) continue;
            const before = jobs.get(line.job);
            jobs.set(line.job, { ...line, charge: (before?.charge ?? 0n) + micros(line.charge) });
          }
          const rows = [...jobs.values()].sort((a, b) => (b.charge > a.charge ? 1 : b.charge < a.charge ? -1 : a.number - b.number)).slice(0, JOBS_SHOWN);
          return (
            <>
              <JobTable rows={rows} margins={new Map((margins.data?.rows ?? []).map((row) => [row.key, row]))} />
              {(data.truncated || jobs.size > JOBS_SHOWN) && <p className="pad faint">{t('opBiz.jobsMore', { count: JOBS_SHOWN })}</p>}
            </>
          );
        }}
      </Answer>
    </Section>
  );
}

/** Jobs listed of what is looked into; the dearest first. */
const JOBS_SHOWN = 200;

function JobTable({ rows, margins }: { rows: readonly JobLine[]; margins: ReadonlyMap<string, Schemas['MarginRow']> }) {
  const { t } = useTranslation();
  const columns: Column<JobLine>[] = [
    { key: 'job', title: t('opBiz.job'), card: 'head', cell: (row) => <Link to="/jobs/$job" params={{ job: String(row.number) }}><span className="mono">{row.number}</span> {row.name}</Link> },
    { key: 'user', title: t('opBiz.by.user'), cell: (row) => row.user },
    { key: 'pool', title: t('opBiz.by.pool'), cell: (row) => row.pool },
    { key: 'revenue', title: t('op.money.revenue'), align: 'right', cell: (row) => <Margined of={margins.get(row.job)} pick={(m) => m.revenue} /> },
    { key: 'cost', title: t('op.money.cost'), align: 'right', cell: (row) => <Margined of={margins.get(row.job)} pick={(m) => m.cost} /> },
    { key: 'margin', title: t('op.money.margin'), align: 'right', card: 'head-end', cell: (row) => <Margined of={margins.get(row.job)} pick={(m) => m.margin} /> },
    { key: 'percent', title: t('op.money.percent'), align: 'right', cell: (row) => <Percent value={margins.get(row.job)?.margin_percent} /> },
  ];
  return rows.length === 0 ? <p className="pad faint">{t('opBiz.noJobs')}</p> : <DataTable columns={columns} rows={rows} rowKey={(row) => row.job} caption={t('opBiz.job')} />;
}

const Margined = ({ of, pick }: { of: Schemas['MarginRow'] | undefined; pick: (row: Schemas['MarginRow']) => string }) => (of ? <Amount value={pick(of)} currency={of.currency} /> : <span className="faint">–</span>);
