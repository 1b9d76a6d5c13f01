// Checks and trials of a cluster: begun here, followed while they run, kept ones to look at again.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useFormat } from '../ui/hooks';
import { ErrorNote, Facts, Section } from '../ui/parts';
import { Answer, Choice, Tag, type Tone, When } from './parts';
import { q, type Schemas } from './queries';

/** A check or trial that runs is looked at this often. */
const FOLLOW_MS = 1000;
const underWay = (report: Schemas['ClusterReport'] | undefined): boolean => report !== undefined && report.took_millis == null;

export function Reports({ cluster, mayChange }: { cluster: string; mayChange: boolean }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [chosen, setChosen] = useState<string>();
  const list = useQuery(q.reports(cluster));
  const shown = chosen ?? list.data?.items[0]?.id;
  const start = useMutation({
    mutationFn: (kind: 'check' | 'trial') =>
      kind === 'check' ? unwrap(api.POST('/v1/clusters/{cluster}/check', { params: { path: { cluster } } })) : unwrap(api.POST('/v1/clusters/{cluster}/trial', { params: { path: { cluster } } })),
    onSuccess: (report) => {
      setChosen(report.id);
      void client.invalidateQueries({ queryKey: ['operate', 'reports', cluster] });
    },
  });
  const kinds = { check: t('opCluster.report.check'), trial: t('opCluster.report.trial') };
  const aside = mayChange && (
    <div className="op-actions">
      <button type="button" className="button button-small" disabled={start.isPending} onClick={() => start.mutate('check')}>
        {t('opCluster.doCheck')}
      </button>
      <button type="button" className="button button-small" disabled={start.isPending} onClick={() => start.mutate('trial')}>
        {t('opCluster.doTrial')}
      </button>
    </div>
  );
  return (
    <Section title={t('opCluster.reports')} aside={aside}>
      {start.error && <ErrorNote error={start.error} />}
      {(list.data?.items.length ?? 0) > 1 && shown && (
        <div className="op-bar">
          <Choice label={t('opCluster.reportOf')} value={shown} onChange={setChosen} options={(list.data?.items ?? []).map((report) => ({ value: report.id, label: `${kinds[report.kind]} ${report.at.slice(0, 16).replace('T', ' ')}` }))} />
        </div>
      )}
      {shown ? <OneReport cluster={cluster} report={shown} /> : <p className="faint">{t('opCluster.noReports')}</p>}
    </Section>
  );
}

const RESULT = (report: Schemas['ClusterReport']): Tone => (report.passed ? 'good' : report.passed === false ? 'bad' : 'run');

export function OneReport({ cluster, report: id }: { cluster: string; report: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const report = useQuery({ ...q.report(cluster, id), refetchInterval: (query) => (query.state.data && !underWay(query.state.data) ? false : FOLLOW_MS) });
  return (
    <Answer query={report}>
      {(data) => (
        <>
          <p className="chips" role="status">
            <Tag tone={RESULT(data)}>{underWay(data) ? t('opCluster.underWay') : data.passed ? t('opCluster.passed') : t('opCluster.notPassed')}</Tag>
            <span>{data.kind === 'check' ? t('opCluster.report.check') : t('opCluster.report.trial')}</span>
            <span className="faint">
              <When at={data.at} />
              {data.took_millis != null && ` · ${format.span(data.took_millis / 1000)}`}
            </span>
          </p>
          {data.error && <p className="bad-text" lang="en">{data.error}</p>}
          {data.findings && data.findings.length > 0 && <Findings findings={data.findings} />}
          {data.cases && data.cases.length > 0 && <Cases cases={data.cases} />}
          {data.summary && <Summary summary={data.summary} />}
        </>
      )}
    </Answer>
  );
}

const LEVELS: Record<Schemas['FindingLevel'], Tone> = { fail: 'bad', warn: 'wait', ok: 'good' };
const ORDER: Schemas['FindingLevel'][] = ['fail', 'warn', 'ok'];

/** The worst first: what is wrong and what to do about it. */
function Findings({ findings }: { findings: readonly Schemas['Finding'][] }) {
  const { t } = useTranslation();
  const sorted = [...findings].sort((a, b) => ORDER.indexOf(a.level) - ORDER.indexOf(b.level));
  return (
    <ul className="findings">
      {sorted.map((finding) => (
        <li key={`${finding.what} ${finding.found}`}>
          <span>
            <Tag tone={LEVELS[finding.level]}>{t(`opCluster.level.${finding.level}`)}</Tag>
          </span>
          <div lang="en">
            <strong>{finding.what}</strong> {finding.found}
            {finding.advice && <p>→ {finding.advice}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}

const VERDICTS: Record<Schemas['Verdict'], Tone> = { passed: 'good', failed: 'bad', skipped: 'off' };

function Cases({ cases }: { cases: readonly Schemas['TrialCase'][] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <ul className="findings">
      {cases.map((one) => (
        <li key={`${one.pool} ${one.what}`}>
          <span>
            <Tag tone={VERDICTS[one.verdict]}>{t(`opCluster.verdict.${one.verdict}`)}</Tag>
          </span>
          <div lang="en">
            <strong>{one.what}</strong> <span className="chip">{one.pool}</span> {one.words}
            {one.ran_millis != null && <span className="faint"> {format.span(one.ran_millis / 1000)}</span>}
          </div>
        </li>
      ))}
    </ul>
  );
}

function Summary({ summary }: { summary: Schemas['ClusterSummary'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <>
      <Facts
        items={[
          [t('opCluster.version'), summary.version],
          [t('opCluster.way'), summary.way],
          [t('opCluster.latency'), t('opCluster.millis', { n: format.number(summary.latency_millis) })],
          [t('opCluster.accounting'), summary.accounting],
          [t('opCluster.firstJob'), summary.first_job_millis != null && format.span(summary.first_job_millis / 1000)],
        ]}
      />
      <ul className="chips">
        {summary.pools.map((pool) => (
          <li key={pool.name} className="chip">{`${pool.name} · ${pool.nodes_up}/${pool.nodes} · ${pool.shape}`}</li>
        ))}
      </ul>
    </>
  );
}
