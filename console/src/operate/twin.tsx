// Runs of the twin: what was asked, where each stands, what came of it in a few figures; two of them are compared.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { useFormat, useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import type { Column } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { Amount, PagedTable, When } from './parts';
import { q, type Schemas } from './queries';
import { RunProgress, RunState, useAsked } from './twin-parts';

type Run = Schemas['TwinRun'];

export function TwinPage() {
  const { t } = useTranslation();
  useTitle(t('opTwin.title'));
  const [search, change] = useAddress();
  const runs = useQuery(q.twinRuns(search.cursor));
  const mayChange = useMayChange();
  const format = useFormat();
  const asked = useAsked();
  const chosen = [search.a, search.b].filter(Boolean);
  const choose = (id: string) => {
    const left = chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id].slice(-2);
    change({ cursor: search.cursor, a: left[0], b: left[1] });
  };
  const head = (run: Run, of: (head: Schemas['TwinHead'], currency: string) => ReactNode) => (
    <>
      {run.gist && of(run.gist.as_is, run.gist.currency)}
      {run.gist?.changed && <> → <strong>{of(run.gist.changed, run.gist.currency)}</strong></>}
    </>
  );
  const columns: Column<Run>[] = [
    { key: 'pick', title: t('opTwin.compare'), card: 'bare', cell: (run) => run.state === 'done' && <label className="twin-pick"><input type="checkbox" checked={chosen.includes(run.id)} onChange={() => choose(run.id)} aria-label={t('opTwin.choose', { what: run.asked.note || asked(run.asked) })} /> <span aria-hidden="true">{t('opTwin.compare')}</span></label> },
    { key: 'what', title: t('opTwin.what'), card: 'head', cell: (run) => <Link to="/operate/twin/$run" params={{ run: run.id }}>{run.asked.note || asked(run.asked)}</Link> },
    { key: 'asked', title: t('opTwin.asked'), className: 'wrap-cell', cell: (run) => run.asked.note ? asked(run.asked) : null },
    { key: 'state', title: t('opTwin.stands'), card: 'head-end', cell: (run) => <><RunState run={run} /> <RunProgress run={run} /></> },
    { key: 'jobs', title: t('opTwin.figures.jobs'), align: 'right', cell: (run) => run.gist && format.number(run.gist.as_is.jobs) },
    { key: 'wait', title: t('opTwin.figures.meanWait'), align: 'right', cell: (run) => head(run, (one) => format.span(one.mean_wait_seconds)) },
    { key: 'margin', title: t('opTwin.figures.margin'), align: 'right', cell: (run) => head(run, (one, currency) => one.margin && <Amount value={one.margin} currency={currency} />) },
    { key: 'by', title: t('opTwin.by'), cell: (run) => run.by },
    { key: 'at', title: t('opTwin.at'), align: 'right', cell: (run) => <When at={run.at} /> },
  ];
  return (
    <>
      <PageHead title={t('opTwin.title')}>
        {chosen.length === 2 && <Link to="/operate/twin/compare" search={{ a: search.a, b: search.b }} className="button">{t('opTwin.compareTwo')}</Link>}
        {mayChange && <Link to="/operate/twin/new" className="button button-primary">{t('opTwin.new')}</Link>}
      </PageHead>
      <p className="faint twin-lead">{t('opTwin.lead')}</p>
      <Section flush>
        <PagedTable query={runs} columns={columns} rowKey={(run) => run.id} caption={t('opTwin.title')} empty={{ title: t('opTwin.none'), text: t('opTwin.noneText') }} />
      </Section>
    </>
  );
}
