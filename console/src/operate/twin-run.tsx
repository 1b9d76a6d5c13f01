// One run of the twin with what came of it, or two beside each other: figures, differences, curves.
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { save } from '../pages/jobs-export';
import { useFormat, useTitle } from '../ui/hooks';
import { Empty, Facts, PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { useAddress, useMayChange } from './address';
import { Answer, Choice, When } from './parts';
import { Diff } from './policy';
import { q, type Schemas } from './queries';
import { AHEAD, figuresCsv, isOver, PAST } from './twin-figures';
import { FiguresTable, GroupsTable, RunActs, RunProgress, RunState, TwinPlots, useAsked, Waits } from './twin-parts';

type Detail = Schemas['TwinRunDetail'];
type Side = { name: string; play: Schemas['TwinPlay'] };

const GROUPS = ['pools', 'modes', 'clusters', 'tenants', 'classes'] as const;
type Group = (typeof GROUPS)[number];

export function TwinRunPage() {
  const { t } = useTranslation();
  const { run: id } = useParams({ from: '/shell/operate/twin/$run' });
  const run = useQuery(q.twinRun(id));
  useTitle(t('opTwin.run'));
  return <Answer query={run} lines={12}>{(data) => <Shown run={data} />}</Answer>;
}

function Shown({ run }: { run: Detail }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const asked = useAsked();
  const policy = run.asked.changes?.policy;
  return (
    <>
      <nav className="op-crumb" aria-label={t('opTwin.title')}><Link to="/operate/twin">{t('opTwin.title')}</Link> ›</nav>
      <PageHead title={run.asked.note || asked(run.asked)}>
        {mayChange && isOver(run.state) && <Link to="/operate/twin/new" search={{ run: run.id }} className="button">{t('opTwin.again')}</Link>}
        {mayChange && <RunActs run={run} onGone={() => void navigate({ to: '/operate/twin' })} />}
        {mayChange && policy != null && run.state === 'done' && <Link to="/operate/placement" search={{ tab: 'policy', run: run.id }} className="button button-primary">{t('opTwin.toEditor')}</Link>}
      </PageHead>
      <div className="op-stack">
        <Section aside={<RunState run={run} />} title={t('opTwin.asked')}>
          <Facts items={[
            [t('opTwin.what'), asked(run.asked)],
            [t('opTwin.stands'), !isOver(run.state) && <RunProgress run={run} />],
            [t('opTwin.by'), run.by],
            [t('opTwin.at'), <When key="at" at={run.at} />],
            [t('opTwin.ended'), run.ended_at && <When key="end" at={run.ended_at} />],
            [t('opTwin.why'), run.reason && <span lang="en">{run.reason}</span>],
            [t('opTwin.policyVersion'), run.policy_version === 0 ? t('opTwin.settings') : t('opPlace.version', { version: run.policy_version })],
          ]} />
          {run.state === 'interrupted' && <p className="faint">{t('opTwin.interruptedText')}</p>}
        </Section>
        {policy != null && <Section title={t('opTwin.policyDifference')} flush><Diff from={run.policy_in_force} to={policy} /></Section>}
        {run.result?.past && <Past past={run.result.past} name={run.id} />}
        {run.result?.ahead && <Ahead ahead={run.result.ahead} />}
      </div>
    </>
  );
}

function Past({ past, name }: { past: Schemas['TwinPast']; name: string }) {
  const { t } = useTranslation();
  const here = { name: t('opTwin.asIs'), play: past.as_is };
  const there = past.changed ? { name: t('opTwin.changed'), play: past.changed } : undefined;
  if (past.jobs_over === 0) return <Section><Empty title={t('opTwin.noJobs')}><p>{t('opTwin.noJobsText')}</p></Empty></Section>;
  return (
    <>
      <Notes sides={there ? [here, there] : [here]} jobs={past.jobs_over} />
      <Plays here={here} there={there} currency={past.currency} file={name} json={past} />
    </>
  );
}

/** What is to be known of what was played. */
function Notes({ sides, jobs }: { sides: readonly Side[]; jobs: number }) {
  const { t } = useTranslation();
  const lines = sides.flatMap(({ name, play }) => {
    const left = play.left_out_unknown + play.left_out_too_large;
    return [
      ...(left > 0 ? [t('opTwin.leftOut', { name, count: left, jobs, unknown: play.left_out_unknown, large: play.left_out_too_large })] : []),
      ...play.wrong.map((text) => `${name}: ${text}`),
    ];
  });
  return (
    <div className="faint">
      <p>{t('opTwin.method')}</p>
      {lines.map((line) => <p key={line}>{line}</p>)}
    </div>
  );
}

function Plays({ here, there, currency, file, json }: { here: Side; there?: Side | undefined; currency: string; file: string; json: unknown }) {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const group: Group = GROUPS.find((name) => name === search.by) ?? 'pools';
  const names = [here.name, there?.name ?? ''] as const;
  const label = (name: string) => (group === 'modes' ? t(`mode.${name}`, { defaultValue: name }) : group === 'classes' ? t(`op.class.${name}`, { defaultValue: name }) : name);
  const keep = (format: 'json' | 'csv') =>
    format === 'json' ? save(`twin-${file}.json`, 'application/json', JSON.stringify(json, null, 1)) : save(`twin-${file}.csv`, 'text/csv', figuresCsv(there ? [here, there] : [here]));
  const files = (
    <span className="chips">
      {(['json', 'csv'] as const).map((format) => (
        <button key={format} type="button" className="button button-small" aria-label={t('opTwin.download', { format: format.toUpperCase() })} onClick={() => keep(format)}>{format.toUpperCase()}</button>
      ))}
    </span>
  );
  return (
    <>
      <Section title={t('opTwin.figuresTitle')} aside={files} flush>
        <FiguresTable figures={PAST} here={here.play.all} there={there?.play.all} names={names} currency={currency} caption={t('opTwin.figuresTitle')} />
      </Section>
      <TwinPlots here={here.play.curves} there={there?.play.curves} names={names} currency={currency} />
      <Section title={t('opTwin.groups')} aside={<Choice label={t('opTwin.groupBy')} value={group} options={GROUPS.map((value) => ({ value, label: t(`opTwin.group.${value}`) }))} onChange={(by) => change({ by })} />} flush>
        <GroupsTable here={here.play[group]} there={there?.play[group]} names={names} currency={currency} caption={t(`opTwin.group.${group}`)} label={label} />
      </Section>
    </>
  );
}

function Ahead({ ahead }: { ahead: Schemas['TwinAhead'] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const names = [t('opTwin.asIs'), t('opTwin.changed')] as const;
  if (ahead.waiting === 0) return <Section><Empty title={t('opTwin.nothingWaits')}><p>{t('opTwin.nothingWaitsText')}</p></Empty></Section>;
  const start = (at: string | null | undefined) => (at ? <span title={format.fullTime(at)}>{format.ago(at, Date.parse(ahead.now))}</span> : <span className="faint">{t('opTwin.notWithin')}</span>);
  const columns: (Column<Schemas['TwinStart']> | false)[] = [
    { key: 'job', title: t('opTwin.job'), card: 'head', cell: (job) => <Link to="/jobs/$job" params={{ job: String(job.number) }}><span className="mono">{job.number}</span> {job.name}</Link> },
    { key: 'who', title: t('opTwin.who'), cell: (job) => `${job.tenant} › ${job.user}` },
    { key: 'expected', title: t('opTwin.expected'), align: 'right', cell: (job) => job.expected && start(job.expected) },
    { key: 'start', title: t('opTwin.foretold'), align: 'right', cell: (job) => start(job.start) },
    { key: 'pool', title: t('opTwin.pool'), cell: (job) => job.pool },
    !!ahead.changed && { key: 'changed', title: t('opTwin.changedStart'), align: 'right', cell: (job) => start(job.changed_start) },
    !!ahead.changed && { key: 'changedPool', title: t('opTwin.changedPool'), cell: (job) => job.changed_pool },
  ];
  const plays = [{ name: names[0], curves: { waits: ahead.as_is.starts } }, ...(ahead.changed ? [{ name: names[1], curves: { waits: ahead.changed.starts } }] : [])];
  return (
    <>
      <p className="faint">{t('opTwin.aheadMethod')}</p>
      <Section title={t('opTwin.figuresTitle')} flush>
        <FiguresTable figures={AHEAD} here={ahead.as_is} there={ahead.changed ?? undefined} names={names} currency="" caption={t('opTwin.figuresTitle')} />
      </Section>
      <div className="twin-over"><Section title={t('opTwin.plot.starts')}><Waits plays={plays} /></Section></div>
      <Section title={t('opTwin.jobs', { count: ahead.waiting })} flush>
        <DataTable columns={columns} rows={ahead.jobs} rowKey={(job) => String(job.number)} caption={t('opTwin.figures.jobs')} />
      </Section>
    </>
  );
}

/** Of a run its changed play where there is one: that is what it was asked for. */
const playOf = (run: Detail): Schemas['TwinPlay'] | undefined => run.result?.past?.changed ?? run.result?.past?.as_is;

export function TwinComparePage() {
  const { t } = useTranslation();
  useTitle(t('opTwin.compareTwo'));
  const [search, change] = useAddress();
  const [a, b] = [useQuery({ ...q.twinRun(search.a ?? ''), enabled: !!search.a }), useQuery({ ...q.twinRun(search.b ?? ''), enabled: !!search.b })];
  return (
    <>
      <nav className="op-crumb" aria-label={t('opTwin.title')}><Link to="/operate/twin">{t('opTwin.title')}</Link> ›</nav>
      <PageHead title={t('opTwin.compareTwo')}>
        <button type="button" className="button" onClick={() => change({ a: search.b, b: search.a })}>{t('opTwin.swap')}</button>
      </PageHead>
      {search.a && search.b ? (
        <Answer query={a} lines={8}>{(one) => <Answer query={b} lines={8}>{(other) => <Compared a={one} b={other} />}</Answer>}</Answer>
      ) : (
        <Section><Empty title={t('opTwin.pickTwo')}><Link to="/operate/twin" className="button">{t('opTwin.title')}</Link></Empty></Section>
      )}
    </>
  );
}

function Compared({ a, b }: { a: Detail; b: Detail }) {
  const { t } = useTranslation();
  const asked = useAsked();
  const name = (run: Detail, letter: string) => `${letter}: ${run.asked.note || asked(run.asked)}`;
  const [here, there] = [playOf(a), playOf(b)];
  if (!here || !there) return <Section><Empty title={t('opTwin.cannotCompare')}><p>{t('opTwin.cannotCompareText')}</p></Empty></Section>;
  const currency = a.result?.past?.currency ?? '';
  const [from, to] = [a.asked.changes?.policy ?? a.policy_in_force, b.asked.changes?.policy ?? b.policy_in_force];
  return (
    <div className="op-stack">
      <Section><Facts items={[['A', <Link key="a" to="/operate/twin/$run" params={{ run: a.id }}>{a.asked.note || asked(a.asked)}</Link>], ['B', <Link key="b" to="/operate/twin/$run" params={{ run: b.id }}>{b.asked.note || asked(b.asked)}</Link>]]} /></Section>
      {a.asked.until !== b.asked.until || a.asked.days !== b.asked.days ? <p className="faint">{t('opTwin.otherDays')}</p> : null}
      {from !== to && <Section title={t('opTwin.policyDifferenceTwo')} flush><Diff from={from} to={to} /></Section>}
      <Plays here={{ name: name(a, 'A'), play: here }} there={{ name: name(b, 'B'), play: there }} currency={currency} file={`${a.id}-${b.id}`} json={{ a: a.result, b: b.result }} />
    </div>
  );
}
