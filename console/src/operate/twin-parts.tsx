// Pieces of the twin's pages: where a run stands, figures with what differs, curves beside each other. Knows no address.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Fragment, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { SERIES } from '../ui/bars';
import { useFormat, useNow } from '../ui/hooks';
import { Plot } from '../ui/plot';
import { type Column, DataTable } from '../ui/table';
import { Amount, Tag, type Tone } from './parts';
import type { Schemas } from './queries';
import { difference, type Figure, isOver, middlesOf, unitOf, usedShare, type Verdict, verdict } from './twin-figures';
import './twin.css';

type Run = Schemas['TwinRun'];
type Curves = Schemas['TwinCurves'];

const TONES: Record<Schemas['TwinState'], Tone> = { queued: 'wait', running: 'run', done: 'good', failed: 'bad', cancelled: 'off', interrupted: 'bad' };

export function RunState({ run }: { run: Run }) {
  const { t } = useTranslation();
  return <Tag tone={TONES[run.state]}>{t(`opTwin.state.${run.state}`)}</Tag>;
}

/** How far a run is, or how many are before it. */
export function RunProgress({ run }: { run: Run }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(1000);
  if (run.state === 'queued') return <span className="faint">{t('opTwin.ahead', { count: run.ahead ?? 0 })}</span>;
  if (run.state !== 'running') return null;
  const done = Math.round((run.done ?? 0) * 100);
  return (
    <span className="twin-progress">
      <progress max={100} value={done} aria-label={t('opTwin.progress')} />
      <span>{`${format.number(done)} %`}</span>
      {run.expected_end && <span className="faint">{t('opTwin.expectedEnd', { when: format.ago(run.expected_end, now) })}</span>}
    </span>
  );
}

/** What a run was asked for, in a line. */
export function useAsked(): (asked: Schemas['TwinRunAsk']) => string {
  const { t } = useTranslation();
  return ({ kind, days, horizon_seconds: horizon, changes }) => {
    const parts = [kind === 'past' ? t('opTwin.lastDays', { count: days ?? 0 }) : t('opTwin.nextDays', { count: Math.max(1, Math.round((horizon ?? 0) / 86_400)) })];
    if (changes?.policy != null) parts.push(t('opTwin.otherPolicy'));
    for (const pool of changes?.add ?? []) parts.push(`+ ${pool.name}`);
    for (const loss of changes?.lose ?? []) parts.push(`− ${loss.pool}${loss.nodes ? ` × ${loss.nodes}` : ''}`);
    for (const outage of changes?.outages ?? []) parts.push(t('opTwin.fails', { name: outage.pool ?? outage.cluster ?? '' }));
    return parts.join(' · ');
  };
}

/** Stops or forgets a run. */
export function RunActs({ run, onGone }: { run: Run; onGone: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const renewed = () => client.invalidateQueries({ queryKey: ['operate'] });
  const params = { path: { run: run.id } };
  const cancel = useMutation({ mutationFn: () => unwrap(api.POST('/v1/twin/runs/{run}/cancel', { params })), onSuccess: renewed });
  const remove = useMutation({ mutationFn: () => unwrap(api.DELETE('/v1/twin/runs/{run}', { params })), onSuccess: () => { void client.invalidateQueries({ queryKey: ['operate', 'twinRuns'] }); onGone(); } });
  return isOver(run.state) ? (
    <button type="button" className="button" disabled={remove.isPending} onClick={() => remove.mutate()}>{t('opTwin.remove')}</button>
  ) : (
    <button type="button" className="button" disabled={cancel.isPending} onClick={() => cancel.mutate()}>{t('opTwin.cancel')}</button>
  );
}

const SIGNS: Record<Verdict, string> = { better: '▲', worse: '▼', same: '=', other: '' };

/** What a difference means: by a sign and a word, and by colour besides. */
function Verdictful({ of }: { of: Verdict | undefined }) {
  const { t } = useTranslation();
  if (!of || of === 'other') return null;
  return (
    <span className={`twin-verdict twin-${of}`}>
      <span aria-hidden="true">{SIGNS[of]}</span> {t(`opTwin.${of}`)}
    </span>
  );
}

export function Value({ kind, value, currency, signed }: { kind: Figure<never>['kind']; value: number | string | null | undefined; currency: string; signed?: boolean }) {
  const format = useFormat();
  if (value == null) return <span className="faint">–</span>;
  const plus = signed && (kind === 'money' ? !String(value).startsWith('-') && /[1-9]/.test(String(value)) : Number(value) > 0) ? '+' : '';
  if (kind === 'money') return <>{plus}<Amount value={String(value)} currency={currency} calm /></>;
  const number = Number(value);
  const text = { count: () => format.number(number), ratio: () => format.number(number, 2), hours: () => format.number(number, number < 1 ? 4 : 1), span: () => format.span(number), share: () => `${format.number(number * 100)} %` }[kind]();
  return <>{plus}{text}</>;
}

interface TableProps<T> {
  figures: readonly Figure<T>[];
  here: T;
  there?: T | undefined;
  names: readonly [string, string];
  currency: string;
  caption: string;
}

/** Figures of one or two plays, a line each, with the difference. */
export function FiguresTable<T>({ figures, here, there, names, currency, caption }: TableProps<T>) {
  const { t } = useTranslation();
  const shown = figures.filter((figure) => figure.of(here) != null || (there && figure.of(there) != null));
  const columns: (Column<Figure<T>> | false)[] = [
    { key: 'figure', title: t('opTwin.figure'), card: 'head', cell: (figure) => t(`opTwin.figures.${figure.key}`) },
    { key: 'here', title: names[0], align: 'right', cell: (figure) => <Value kind={figure.kind} value={figure.of(here)} currency={currency} /> },
    there !== undefined && { key: 'there', title: names[1], align: 'right', cell: (figure) => <Value kind={figure.kind} value={figure.of(there)} currency={currency} /> },
    there !== undefined && { key: 'difference', title: t('opTwin.difference'), align: 'right', cell: (figure) => <Value kind={figure.kind} value={difference(figure, here, there)} currency={currency} signed /> },
    there !== undefined && { key: 'verdict', title: t('opTwin.verdict'), card: 'head-end', cell: (figure) => <Verdictful of={verdict(figure, here, there)} /> },
  ];
  return <DataTable columns={columns} rows={shown} rowKey={(figure) => figure.key} caption={caption} />;
}

/** The same group of two plays by its name; a group that one of them lacks has nothing there. */
export function GroupsTable({ here, there, names, currency, caption, label }: { here: readonly Schemas['TwinFigures'][]; there?: readonly Schemas['TwinFigures'][] | undefined; names: readonly [string, string]; currency: string; caption: string; label: (name: string) => string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const all = [...new Set([...here, ...(there ?? [])].map(({ name }) => name))];
  const find = (groups: readonly Schemas['TwinFigures'][] | undefined, name: string) => groups?.find((group) => group.name === name);
  const both = (name: string, cell: (group: Schemas['TwinFigures']) => ReactNode) =>
    (there ? [here, there] : [here]).map((groups, at) => {
      const group = find(groups, name);
      return <Fragment key={names[at]}>{at > 0 && <span className="faint"> → </span>}{group ? cell(group) : <span className="faint">–</span>}</Fragment>;
    });
  const column = (key: string, title: string, cell: (group: Schemas['TwinFigures']) => ReactNode): Column<string> => ({ key, title, align: 'right', cell: (name) => both(name, cell) });
  const isOfSupply = [...here, ...(there ?? [])].some((group) => group.utilization != null);
  const columns: (Column<string> | false)[] = [
    { key: 'name', title: caption, card: 'head', cell: (name) => <strong>{label(name)}</strong> },
    column('jobs', t('opTwin.figures.jobs'), (group) => format.number(group.jobs)),
    column('wait', t('opTwin.figures.meanWait'), (group) => format.span(group.mean_wait_seconds)),
    column('median', t('opTwin.figures.medianWait'), (group) => format.span(group.median_wait_seconds)),
    isOfSupply && column('use', t('opTwin.figures.utilization'), (group) => <Value kind="share" value={group.utilization} currency={currency} />),
    isOfSupply && column('used', t('opTwin.figures.usedShare'), (group) => <Value kind="share" value={usedShare(group)} currency={currency} />),
    column('broken', t('opTwin.figures.promisesBroken'), (group) => format.number(group.promises_broken)),
    column('margin', t('opTwin.figures.margin'), (group) => <Amount value={group.margin} currency={currency} />),
  ];
  return <DataTable columns={columns} rows={all} rowKey={(name) => name} caption={caption} />;
}

interface PlotsProps {
  here: Curves;
  there?: Curves | undefined;
  names: readonly [string, string];
  currency: string;
}

/** What lies over each other in one plot where it is one number, and beside each other where there are several. */
export function TwinPlots({ here, there, names, currency }: PlotsProps) {
  const { t } = useTranslation();
  const plays = [{ name: names[0], curves: here }, ...(there ? [{ name: names[1], curves: there }] : [])];
  const longest = plays.reduce((a, b) => (b.curves.lasted_seconds > a.curves.lasted_seconds ? b : a)).curves;
  const unit = unitOf(longest.lasted_seconds);
  const hours = middlesOf(longest.waiting_jobs.length, longest.part_seconds, unit.seconds);
  const hour = t(`opTwin.since.${unit.name}`);
  /** Another play's values at this play's hours: plays need not last as long. */
  const at = (values: readonly number[], curves: Curves) => hours.map((value) => values[Math.floor((value * unit.seconds) / (curves.part_seconds || 1))]);
  const over = (of: (curves: Curves) => readonly number[]) => ({ x: { name: hour, values: hours }, curves: plays.map(({ name, curves }) => ({ name, values: at(of(curves), curves) })) });
  const beside = (of: (curves: Curves) => readonly Schemas['TwinCurve'][], label: (name: string) => string) =>
    plays.map(({ name, curves }) => ({ name, plot: { x: { name: hour, values: hours }, curves: of(curves).slice(0, SERIES).map((curve) => ({ name: label(curve.name), values: at(curve.values.map((share) => share * 100), curves) })) } }));
  const mode = (name: string) => t(`mode.${name}`, { defaultValue: name });
  const money = (curves: Curves) => [
    { name: t('op.money.revenue'), values: at(curves.revenue, curves) },
    { name: t('op.money.cost'), values: at(curves.cost, curves) },
    { name: t('op.money.margin'), values: at(curves.margin, curves) },
  ];
  if (hours.length === 0) return null;
  return (
    <div className="twin-plots">
      <Picture title={t('opTwin.plot.waiting')} over><Plot name={t('opTwin.plot.waiting')} curves={over((curves) => curves.waiting_jobs)} /></Picture>
      <Picture title={t('opTwin.plot.waits')} over><Waits plays={plays} /></Picture>
      {beside((curves) => curves.use_by_pool, (name) => name).map(({ name, plot }) => <Picture key={`pool ${name}`} title={there ? `${t('opTwin.plot.pools')} · ${name}` : t('opTwin.plot.pools')}><Plot name={t('opTwin.plot.pools')} curves={plot} span={[0, 100]} /></Picture>)}
      {beside((curves) => curves.use_by_mode, mode).map(({ name, plot }) => <Picture key={`mode ${name}`} title={there ? `${t('opTwin.plot.modes')} · ${name}` : t('opTwin.plot.modes')}><Plot name={t('opTwin.plot.modes')} curves={plot} span={[0, 100]} /></Picture>)}
      {plays.map(({ name, curves }) => <Picture key={`money ${name}`} title={there ? `${t('opTwin.plot.money', { currency })} · ${name}` : t('opTwin.plot.money', { currency })}><Plot name={t('opTwin.plot.money', { currency })} curves={{ x: { name: hour, values: hours }, curves: money(curves) }} span={spanOf(plays.flatMap((play) => [play.curves.revenue, play.curves.cost, play.curves.margin]))} /></Picture>)}
    </div>
  );
}

function spanOf(all: readonly (readonly number[])[]): [number, number] {
  const values = all.flat();
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  return low === high ? [0, 1] : [low, high];
}

/** `over`: the later curves lie over the earlier ones, and are dashed so that both are seen. */
const Picture = ({ title, over, children }: { title: string; over?: boolean; children: ReactNode }) => (
  <section className={over ? 'panel twin-over' : 'panel'}>
    <header className="panel-head"><h2>{title}</h2></header>
    {children}
  </section>
);

/** Points between which the share of jobs is looked up, up to the longest wait. */
const STEPS = 120;

/** Per cent of the jobs that waited at most so long. */
export function Waits({ plays }: { plays: readonly { name: string; curves: Pick<Curves, 'waits'> }[] }) {
  const { t } = useTranslation();
  const most = Math.max(60, ...plays.flatMap(({ curves }) => curves.waits.map(({ seconds }) => seconds)));
  const x = Array.from({ length: STEPS + 1 }, (_, n) => (most * n) / STEPS);
  const share = (waits: Curves['waits'], seconds: number) => waits.reduce((found, point) => (point.seconds <= seconds ? Math.max(found, point.share) : found), 0) * 100;
  const curves = plays.map(({ name, curves: { waits } }) => ({ name, values: x.map((seconds) => share(waits, seconds)) }));
  const unit = unitOf(most);
  return <Plot name={t('opTwin.plot.waits')} curves={{ x: { name: t(`opTwin.unit.${unit.name}`), values: x.map((seconds) => seconds / unit.seconds) }, curves }} span={[0, 100]} />;
}
