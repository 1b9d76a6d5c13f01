// What is to be played: the last days again or the present ahead, under which policy, with which pools. Begins with how things are, or
// with what an earlier run was asked for.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import { useAddress } from './address';
import { Refusal } from './form';
import { Answer } from './parts';
import { Diff } from './policy';
import { once, q, type Schemas } from './queries';

type Ask = Schemas['TwinRunAsk'];
type Added = Schemas['TwinPool'];
type Lost = Schemas['TwinLoss'];
type Outage = Schemas['TwinOutage'];

export function TwinNewPage() {
  const { t } = useTranslation();
  useTitle(t('opTwin.new'));
  const [search] = useAddress();
  const policy = useQuery({ ...q.policy, staleTime: Infinity });
  const earlier = useQuery({ ...q.twinRun(search.run ?? ''), enabled: !!search.run });
  return (
    <>
      <nav className="op-crumb" aria-label={t('opTwin.title')}><Link to="/operate/twin">{t('opTwin.title')}</Link> ›</nav>
      <PageHead title={t('opTwin.new')} />
      <Answer query={policy} lines={12}>
        {({ document }) => (search.run ? <Answer query={earlier} lines={12}>{(run) => <Form key={run.id} inForce={document} before={run.asked} />}</Answer> : <Form inForce={document} />)}
      </Answer>
    </>
  );
}

const HOUR = 3600;
const NEW_POOL: Added = { name: '', nodes: 1, cores: 64, gpus: 0, mode: 'own' };

function useDraft(inForce: string, before: Ask | undefined) {
  const [kind, setKind] = useState<Ask['kind']>(before?.kind ?? 'past');
  const [days, setDays] = useState(String(before?.days ?? (before?.horizon_seconds ? Math.max(1, Math.round(before.horizon_seconds / 86_400)) : 7)));
  const [note, setNote] = useState(before?.note ?? '');
  const [policy, setPolicy] = useState(before?.changes?.policy ?? inForce);
  const [add, setAdd] = useState<Added[]>(before?.changes?.add ?? []);
  const [lose, setLose] = useState<Lost[]>(before?.changes?.lose ?? []);
  const [outages, setOutages] = useState<Outage[]>(before?.changes?.outages ?? []);
  const [same, setSame] = useState(!!before?.until);
  const past = kind === 'past';
  const ask: Ask = {
    kind,
    ...(past ? { days: Number(days), ...(same && before?.until ? { until: before.until } : {}) } : { horizon_seconds: Number(days) * 86_400 }),
    note,
    changes: {
      ...(policy.trimEnd() === inForce.trimEnd() ? {} : { policy }),
      add: add.map((pool) => (past ? pool : { ...pool, fee_core_hour: null, node_month: null })),
      lose,
      ...(past ? { outages } : {}),
    },
  };
  return { ask, kind, setKind, days, setDays, note, setNote, policy, setPolicy, add, setAdd, lose, setLose, outages, setOutages, same, setSame, past };
}

function Form({ inForce, before }: { inForce: string; before?: Ask }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const draft = useDraft(inForce, before);
  const send = useMutation({
    mutationFn: () => unwrap(api.POST('/v1/twin/runs', { params: { header: once() }, body: draft.ask })),
    onSuccess: (run) => {
      void client.invalidateQueries({ queryKey: ['operate', 'twinRuns'] });
      void navigate({ to: '/operate/twin/$run', params: { run: run.id } });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    send.mutate();
  };
  return (
    <form className="op-stack" onSubmit={submit} onChange={() => send.reset()}>
      <Section title={t('opTwin.play')}>
        <div className="sheet-fields">
          <Field label={t('opTwin.kind')} hint={t(`opTwin.kindHint.${draft.kind}`)}>
            <select className="field" name="kind" value={draft.kind} onChange={(event) => draft.setKind(event.target.value === 'ahead' ? 'ahead' : 'past')}>
              {(['past', 'ahead'] as const).map((kind) => <option key={kind} value={kind}>{t(`opTwin.kinds.${kind}`)}</option>)}
            </select>
          </Field>
          <Field label={draft.past ? t('opTwin.days') : t('opTwin.daysAhead')}>
            <input className="field" name="days" type="number" min={1} max={draft.past ? 90 : 30} required value={draft.days} onChange={(event) => draft.setDays(event.target.value)} />
          </Field>
          <Field label={t('opTwin.note')} wide>
            <input className="field" name="note" maxLength={200} value={draft.note} onChange={(event) => draft.setNote(event.target.value)} />
          </Field>
          {draft.past && before?.until && <label className="sheet-check sheet-wide"><input type="checkbox" checked={draft.same} onChange={(event) => draft.setSame(event.target.checked)} /> {t('opTwin.sameDays')}</label>}
        </div>
      </Section>
      <Section title={t('opTwin.policy')}>
        <label>
          <span className="sheet-label">{t('opTwin.policyHint')}</span>
          <textarea className="field code" name="policy" rows={16} spellCheck={false} value={draft.policy} onChange={(event) => draft.setPolicy(event.target.value)} />
        </label>
      </Section>
      {draft.policy.trimEnd() !== inForce.trimEnd() && <Section title={t('opTwin.policyDifference')} flush><Diff from={inForce} to={draft.policy} /></Section>}
      <Section title={t('opTwin.supply')}><SupplyChanges draft={draft} /></Section>
      {send.error && <Refusal error={send.error} />}
      <div className="sheet-go">
        <Link to="/operate/twin" className="button">{t('op.cancel')}</Link>
        <button type="submit" className="button button-primary" disabled={send.isPending}>{t('opTwin.start')}</button>
      </div>
    </form>
  );
}

const Field = ({ label, hint, wide, children }: { label: string; hint?: string; wide?: boolean; children: ReactNode }) => (
  <label className={wide ? 'sheet-wide' : undefined}>
    <span className="sheet-label">{label}</span>
    {children}
    {hint && <span className="sheet-hint">{hint}</span>}
  </label>
);

const replace = <T,>(all: readonly T[], at: number, patch: Partial<T>): T[] => all.map((one, n) => (n === at ? { ...one, ...patch } : one));
const without = <T,>(all: readonly T[], at: number): T[] => all.filter((_, n) => n !== at);

function SupplyChanges({ draft }: { draft: ReturnType<typeof useDraft> }) {
  const { t } = useTranslation();
  const pools = (useQuery(q.pools).data?.items ?? []).map(({ name }) => name);
  const { add, setAdd, lose, setLose, outages, setOutages, past } = draft;
  const first = pools[0] ?? '';
  return (
    <>
      <div className="twin-rows">
        {add.map((pool, at) => <AddedRow key={`add ${at}`} pool={pool} past={past} onChange={(patch) => setAdd(replace(add, at, patch))} onGone={() => setAdd(without(add, at))} />)}
        {lose.map((loss, at) => (
          <div key={`lose ${at}`} className="twin-row">
            <Field label={t('opTwin.losePool')}><PoolSelect pools={pools} value={loss.pool} onChange={(pool) => setLose(replace(lose, at, { pool }))} /></Field>
            <Field label={t('opTwin.nodesLost')}><NumberInput value={loss.nodes} onChange={(nodes) => setLose(replace(lose, at, { nodes }))} /></Field>
            <Gone onClick={() => setLose(without(lose, at))} />
          </div>
        ))}
        {past && outages.map((outage, at) => (
          <div key={`outage ${at}`} className="twin-row">
            <Field label={t('opTwin.failingPool')}><PoolSelect pools={pools} value={outage.pool ?? ''} onChange={(pool) => setOutages(replace(outages, at, { pool }))} /></Field>
            <Field label={t('opTwin.nodesLost')}><NumberInput value={outage.nodes} onChange={(nodes) => setOutages(replace(outages, at, { nodes }))} /></Field>
            <Field label={t('opTwin.fromHour')}><NumberInput value={outage.from_seconds / HOUR} min={0} onChange={(hours) => setOutages(replace(outages, at, { from_seconds: (hours ?? 0) * HOUR }))} /></Field>
            <Field label={t('opTwin.forHours')}><NumberInput value={outage.for_seconds / HOUR} onChange={(hours) => setOutages(replace(outages, at, { for_seconds: (hours ?? 1) * HOUR }))} /></Field>
            <Gone onClick={() => setOutages(without(outages, at))} />
          </div>
        ))}
      </div>
      <div className="twin-adders">
        <button type="button" className="button" onClick={() => setAdd([...add, NEW_POOL])}>{t('opTwin.addPool')}</button>
        <button type="button" className="button" onClick={() => setLose([...lose, { pool: pools.find((name) => !lose.some((one) => one.pool === name)) ?? first }])} disabled={lose.length >= pools.length}>{t('opTwin.loseAct')}</button>
        {past && <button type="button" className="button" onClick={() => setOutages([...outages, { pool: first, from_seconds: 0, for_seconds: HOUR }])} disabled={!first}>{t('opTwin.outageAct')}</button>}
      </div>
    </>
  );
}

function AddedRow({ pool, past, onChange, onGone }: { pool: Added; past: boolean; onChange: (patch: Partial<Added>) => void; onGone: () => void }) {
  const { t } = useTranslation();
  const own = pool.mode === 'own';
  return (
    <div className="twin-row">
      <Field label={t('opTwin.newPool')}><input className="field" required pattern="[a-z0-9._\-]{1,40}" value={pool.name} onChange={(event) => onChange({ name: event.target.value })} /></Field>
      <Field label={t('opTwin.nodes')}><NumberInput value={pool.nodes} onChange={(nodes) => onChange({ nodes: nodes ?? 1 })} /></Field>
      <Field label={t('opTwin.cores')}><NumberInput value={pool.cores} onChange={(cores) => onChange({ cores: cores ?? 1 })} /></Field>
      <Field label={t('opTwin.cards')}><NumberInput value={pool.gpus} min={0} onChange={(gpus) => onChange({ gpus: gpus ?? 0 })} /></Field>
      <Field label={t('opTwin.mode')}>
        <select className="field" value={pool.mode} onChange={(event) => onChange({ mode: event.target.value === 'partner' ? 'partner' : 'own', fee_core_hour: null, node_month: null })}>
          {(['own', 'partner'] as const).map((mode) => <option key={mode} value={mode}>{t(`mode.${mode}`)}</option>)}
        </select>
      </Field>
      {past && (
        <Field label={own ? t('opTwin.nodeMonth') : t('opTwin.fee')}>
          <input className="field" inputMode="decimal" pattern="[0-9]+([.][0-9]{1,6})?" value={(own ? pool.node_month : pool.fee_core_hour) ?? ''} onChange={(event) => onChange(own ? { node_month: event.target.value || null } : { fee_core_hour: event.target.value || null })} />
        </Field>
      )}
      <Gone onClick={onGone} />
    </div>
  );
}

const PoolSelect = ({ pools, value, onChange }: { pools: readonly string[]; value: string; onChange: (pool: string) => void }) => (
  <select className="field" value={value} onChange={(event) => onChange(event.target.value)}>
    {pools.map((name) => <option key={name} value={name}>{name}</option>)}
  </select>
);

const NumberInput = ({ value, min = 1, onChange }: { value: number | null | undefined; min?: number; onChange: (value: number | undefined) => void }) => (
  <input className="field" type="number" min={min} value={value ?? ''} onChange={(event) => onChange(event.target.value === '' ? undefined : Number(event.target.value))} />
);

function Gone({ onClick }: { onClick: () => void }) {
  const { t } = useTranslation();
  return <button type="button" className="button button-small" onClick={onClick}>{t('opTwin.takeOut')}</button>;
}
