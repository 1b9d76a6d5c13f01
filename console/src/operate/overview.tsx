// The whole platform at a glance, readable from three metres: big figures, the map, what needs a person. Asks anew by itself.
import { useQueries, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import type { Pool } from '../api/types';
import { useFormat, useNow, useTitle } from '../ui/hooks';
import { ErrorNote, Loading, PageHead, Section } from '../ui/parts';
import { byCurrency } from './money';
import { mapSites, SiteMap } from './map';
import { Amount, usePeriod } from './parts';
import { asQuery } from './period';
import { linksOf } from './policy-text';
import { CALM_MS, q, type Schemas } from './queries';
import { type Alarm, alarms, reserveOf, type Use, uses } from './standing';

/** Clusters whose last report is looked at for alarms; one question each. */
const REPORTS_MAX = 20;
const calm = { refetchInterval: CALM_MS } as const;

export function OverviewPage() {
  const { t } = useTranslation();
  useTitle(t('op.overview.title'));
  const clusters = useQuery({ ...q.clusters, ...calm });
  const pools = useQuery({ ...q.pools, ...calm });
  const policy = useQuery(q.policy);
  const failed = [clusters, pools].find((query) => query.error && !query.data);
  return (
    <>
      <PageHead title={t('op.overview.title')} />
      {failed ? (
        <ErrorNote error={failed.error} onRetry={() => void failed.refetch()} />
      ) : !clusters.data || !pools.data ? (
        <Section>
          <Loading lines={8} />
        </Section>
      ) : (
        <div className="watch">
          <Headline pools={pools.data.items} />
          <div className="watch-map">
            <Section flush>
              <SiteMap sites={mapSites(clusters.data.items, pools.data.items)} links={policy.data ? linksOf(policy.data.document) : []} />
            </Section>
            <QueuePanel />
          </div>
          <div className="watch-side">
            <AlarmPanel clusters={clusters.data.items} pools={pools.data.items} />
            <UsePanel pools={pools.data.items} />
            <MoneyPanel />
          </div>
        </div>
      )}
    </>
  );
}

/** Beyond it a share of the revenue says nothing: there was hardly any. */
const PERCENT_MAX = 1000;

function Big({ name, children, note, to }: { name: string; children: ReactNode; note?: ReactNode; to?: ReactNode }) {
  return (
    <div className="big">
      <span className="big-name">{name}</span>
      <span className="big-figure">{children}</span>
      {note && <span className="big-note">{note}</span>}
      {to}
    </div>
  );
}

const shareOf = (use: readonly Use[]): number | undefined => {
  const total = use.reduce((sum, u) => sum + u.total, 0);
  return total === 0 ? undefined : use.reduce((sum, u) => sum + u.allocated, 0) / total;
};

function Headline({ pools }: { pools: readonly Pool[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const waiting = useQuery(q.waiting()).data;
  const month = useQuery({ ...q.margin('mode', asQuery(usePeriod('month'))), ...calm }).data;
  const [cards, cores] = (['cards', 'cores'] as const).map((unit) => shareOf(uses(pools).filter((use) => use.unit === unit)));
  const percent = (share: number | undefined) => (share === undefined ? '–' : `${format.number(share * 100, 0)} %`);
  const running = pools.reduce((sum, pool) => sum + (pool.running_jobs ?? 0), 0);
  const up = pools.reduce((sum, pool) => sum + pool.nodes_up, 0);
  const nodes = pools.reduce((sum, pool) => sum + pool.nodes_total, 0);
  return (
    <section className="bigs" aria-label={t('op.overview.figures')}>
      <Big
        name={t('op.overview.allocated')}
        note={cards === undefined ? t('op.overview.ofCores') : t('op.overview.ofBoth', { cores: percent(cores) })}
      >
        {percent(cards ?? cores)}
      </Big>
      <Big name={t('op.overview.running')} note={t('op.overview.nodesUp', { up: format.number(up), total: format.number(nodes) })}>
        {format.number(running)}
      </Big>
      <Big name={t('op.overview.waiting')} note={<Link to="/operate/placement">{t('op.overview.why')}</Link>}>
        {waiting ? `${format.number(waiting.items.length)}${waiting.next_cursor ? '+' : ''}` : '–'}
      </Big>
      {(month?.total ?? []).slice(0, 1).map((total) => (
        <Big key={total.currency} name={t('op.overview.marginMonth')} note={total.margin_percent != null && Math.abs(Number(total.margin_percent)) <= PERCENT_MAX && t('op.overview.ofRevenue', { percent: format.number(Number(total.margin_percent)) })}>
          <Amount value={total.margin} currency={total.currency} head />
        </Big>
      ))}
    </section>
  );
}

function UsePanel({ pools }: { pools: readonly Pool[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const today = useQuery({ ...q.poolsReport(asQuery(usePeriod('today'))), ...calm }).data;
  const level = reserveOf(pools);
  const percent = (part: number) => `${format.number(part * 100, 0)} %`;
  return (
    <Section title={t('op.overview.use')}>
      {uses(pools).map((line) => (
        <div key={`${line.mode} ${line.unit}`} className="use">
          <div className="use-head">
            <strong>{t(`mode.${line.mode}`)}</strong>
            <span className="use-figure">{percent(line.total === 0 ? 0 : line.allocated / line.total)}</span>
          </div>
          <UseBar use={line} used={usedShare(today, line)} />
          <p className="faint">
            {t(`op.overview.${line.unit}`, { allocated: format.number(line.allocated, 0), total: format.number(line.total, 0) })}
            {usedShare(today, line) !== undefined && ` · ${t('op.overview.used', { percent: percent(usedShare(today, line) ?? 0) })}`}
          </p>
        </div>
      ))}
      {level && (
        <p className="use-reserve">
          {t('op.overview.reserve', { free: percent(level.free), target: percent(level.target) })}
          {level.free < level.target && <strong className="warn-text"> {t('op.overview.below')}</strong>}
        </p>
      )}
    </Section>
  );
}

/** Of the core-hours of today's pools of a mode, the share that was allocated and used; nothing where nobody measured. */
function usedShare(report: Schemas['PoolsReport'] | undefined, { mode, unit }: Use): number | undefined {
  const rows = (report?.rows ?? []).filter((row) => row.mode === mode && unit === 'cores' && row.used_hours != null);
  const allocated = rows.reduce((sum, row) => sum + row.allocated_hours, 0);
  return allocated === 0 ? undefined : rows.reduce((sum, row) => sum + (row.used_hours ?? 0), 0) / allocated;
}

function UseBar({ use, used }: { use: Use; used: number | undefined }) {
  const part = use.total === 0 ? 0 : (use.allocated / use.total) * 100;
  return (
    <span className="use-bar" aria-hidden="true">
      <span className="use-allocated" style={{ width: `${part}%` }} />
      {used !== undefined && <span className="use-used" style={{ width: `${part * Math.min(1, used)}%` }} />}
    </span>
  );
}

function QueuePanel() {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(30_000);
  const queue = useQuery(q.queue);
  if (!queue.data) return <Section title={t('op.overview.queue')}>{queue.error ? <ErrorNote error={queue.error} onRetry={() => void queue.refetch()} /> : <Loading lines={3} />}</Section>;
  const lines = queue.data.classes.map(({ class: name, waiting, held, oldest }) => ({ class: name, count: waiting + held, oldest }));
  const most = Math.max(1, ...lines.map((line) => line.count));
  return (
    <Section title={t('op.overview.queue')} aside={<Link to="/operate/placement">{t('op.overview.queueAll')}</Link>}>
      <ul className="queue">
        {lines.map((line) => (
          <li key={line.class}>
            <span className="queue-class">{t(`op.class.${line.class}`)}</span>
            <span className="queue-bar" aria-hidden="true">
              <span style={{ width: `${(line.count / most) * 100}%` }} />
            </span>
            <span className="queue-count">{format.number(line.count)}</span>
            <span className="queue-oldest faint">{line.oldest && t('op.overview.oldest', { when: format.ago(line.oldest, now) })}</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function MoneyPanel() {
  const { t } = useTranslation();
  const today = useQuery({ ...q.margin('mode', asQuery(usePeriod('today'))), ...calm });
  const month = useQuery({ ...q.margin('mode', asQuery(usePeriod('month'))), ...calm });
  if (!today.data || !month.data) return <Section title={t('op.overview.money')}>{today.error ? <ErrorNote error={today.error} onRetry={() => void today.refetch()} /> : <Loading lines={3} />}</Section>;
  const rows = [today.data.total, month.data.total] as const;
  const line = (pick: (row: Schemas['ReportRow']) => string) => rows.map((total) => byCurrency(total, pick));
  const lines = [
    { name: t('op.money.revenue'), values: line((row) => row.revenue) },
    { name: t('op.money.cost'), values: line((row) => row.cost) },
    { name: t('op.money.margin'), values: line((row) => row.margin) },
  ];
  return (
    <Section title={t('op.overview.money')} aside={<Link to="/operate/business">{t('op.overview.moneyAll')}</Link>}>
      <table className="cash">
        <thead>
          <tr>
            <td />
            <th scope="col">{t('op.overview.today')}</th>
            <th scope="col">{t('op.overview.month')}</th>
          </tr>
        </thead>
        <tbody>
          {lines.map(({ name, values }) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {values.map((sums, at) => (
                <td key={at === 0 ? 'today' : 'month'}>{sums.length === 0 ? '–' : sums.map(([currency, value]) => <Amount key={currency} value={value} currency={currency} head />)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

function AlarmPanel({ clusters, pools }: { clusters: readonly Schemas['Cluster'][]; pools: readonly Pool[] }) {
  const { t } = useTranslation();
  const registered = clusters.filter((cluster) => cluster.service !== 'retired' && cluster.backend === 'slurm').slice(0, REPORTS_MAX);
  const reports = useQueries({ queries: registered.map((cluster) => q.reports(cluster.name, 1)) });
  const sites = useQuery({ ...q.sites, ...calm });
  const contracts = useQuery(q.contracts());
  const ageing = useQuery(q.ageing);
  const settlements = useQuery(q.settlements());
  const list = alarms({
    clusters,
    pools,
    sites: sites.data?.items,
    reports: registered.map((cluster, at) => ({ cluster: cluster.name, report: reports[at]?.data?.items[0] })),
    contracts: contracts.data?.items,
    receivables: ageing.data?.receivables,
    settlements: settlements.data?.items,
  });
  return (
    <Section title={<>{t('op.overview.alarms')} {list.length > 0 && <span className="count">{list.length}</span>}</>}>
      {list.length === 0 ? (
        <p className="all-well">{t('op.overview.noAlarms')}</p>
      ) : (
        <ul className="alarms">
          {list.map((alarm) => (
            <AlarmLine key={`${alarm.kind} ${alarm.name}`} alarm={alarm} />
          ))}
        </ul>
      )}
    </Section>
  );
}

function AlarmLine({ alarm }: { alarm: Alarm }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(60_000);
  const values: Record<string, string | number> = { name: alarm.name };
  if ('count' in alarm) values.count = alarm.count;
  if ('amount' in alarm) values.amount = format.money(alarm.amount, alarm.currency);
  const words = <strong>{t(`op.alarm.${alarm.kind}`, values)}</strong>;
  const since = 'at' in alarm && alarm.at ? t('op.alarm.since', { when: format.ago(alarm.at, now) }) : 'text' in alarm ? alarm.text : undefined;
  const bad = alarm.kind === 'unreachable' || alarm.kind === 'silentSite' || alarm.kind === 'findings';
  return (
    <li className={bad ? 'alarm alarm-bad' : 'alarm'}>
      {'cluster' in alarm ? (
        <Link to="/operate/clusters/$cluster" params={{ cluster: alarm.cluster }}>{words}</Link>
      ) : alarm.kind === 'unpaidContract' ? (
        <Link to="/operate/business/contracts/$contract" params={{ contract: String(alarm.number) }}>{words}</Link>
      ) : alarm.kind === 'disputed' ? (
        <Link to="/operate/business/settlements/$settlement" params={{ settlement: String(alarm.number) }}>{words}</Link>
      ) : (
        <Link to="/operate/business/ageing">{words}</Link>
      )}
      {since && <span className="faint alarm-more">{since}</span>}
    </li>
  );
}
