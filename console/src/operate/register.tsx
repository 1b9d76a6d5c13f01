// Registering a cluster step by step: who and where, the way in, then what the platform finds there.
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { useTitle } from '../ui/hooks';
import { PageHead, Section } from '../ui/parts';
import { useMayChange } from './address';
import { ServiceActions } from './cluster';
import { type Field, FieldLine, Refusal, type Values, valuesOf } from './form';
import { degreesOf } from './place';
import { once, q, type Schemas } from './queries';
import { useQuery } from '@tanstack/react-query';
import { Reports } from './reports';
import { slurmOf, type WayKind } from './way';

type Step = 'who' | 'way' | 'test';
const STEPS: readonly Step[] = ['who', 'way', 'test'];

export function RegisterPage() {
  const { t } = useTranslation();
  useTitle(t('opCluster.register'));
  const [step, setStep] = useState<Step>('who');
  const [values, setValues] = useState<Values>({ mode: 'partner', kind: 'ssh' });
  const take = (more: Values, next: Step) => {
    setValues({ ...values, ...more });
    setStep(next);
  };
  return (
    <>
      <p className="op-crumb">
        <Link to="/operate/clusters">{t('opCluster.title')}</Link>
      </p>
      <PageHead title={t('opCluster.register')} />
      <ol className="steps">
        {STEPS.map((name) => (
          <li key={name} className={name === step ? 'is-now' : STEPS.indexOf(name) < STEPS.indexOf(step) ? 'is-done' : undefined} aria-current={name === step ? 'step' : undefined}>
            {t(`opCluster.step.${name}`)}
          </li>
        ))}
      </ol>
      {step === 'who' && <Who values={values} onNext={(more) => take(more, 'way')} />}
      {step === 'way' && <Way values={values} onBack={(more) => take(more, 'who')} onDone={(more) => take(more, 'test')} />}
      {step === 'test' && <Test name={values.name ?? ''} onBack={() => setStep('way')} />}
    </>
  );
}

function Who({ values, onNext }: { values: Values; onNext: (more: Values) => void }) {
  const { t } = useTranslation();
  const [mode, setMode] = useState(values.mode ?? 'partner');
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const field = event.currentTarget.elements.namedItem('degrees') as HTMLInputElement;
    field.setCustomValidity(field.value.trim() && !degreesOf(field.value) ? t('opCluster.degreesWrong') : '');
    if (event.currentTarget.reportValidity()) onNext(valuesOf(event.currentTarget));
  };
  const money = (name: string, label: string): Field => ({ name, label, kind: 'money', value: values[name] ?? '' });
  const first: Field[] = [
    { name: 'name', label: t('opCluster.clusterName'), required: true, hint: t('opCluster.nameHint'), value: values.name ?? '' },
    { name: 'supplier', label: t('opCluster.supplier'), required: true, value: values.supplier ?? '' },
    { name: 'site', label: t('opCluster.site'), hint: t('opCluster.siteHint'), value: values.site ?? '' },
    { name: 'region', label: t('opCluster.region'), value: values.region ?? '' },
    { name: 'degrees', label: t('opCluster.degrees'), hint: t('opCluster.degreesHint'), value: values.degrees ?? '' },
    { name: 'placeLabel', label: t('opCluster.placeLabel'), value: values.placeLabel ?? '' },
  ];
  const cost: Field[] =
    mode === 'own'
      ? [money('purchase', t('opCluster.purchase')), money('residual', t('opCluster.residual')), { name: 'life', label: t('opCluster.life'), kind: 'number', value: values.life ?? '' }, money('datacentre', t('opCluster.datacentre'))]
      : [money('core', t('opCluster.coreHour')), money('card', t('opCluster.cardHour')), money('gib', t('opCluster.gibHour'))];
  return (
    <Section>
      <form onSubmit={submit} onInput={(event) => event.target instanceof HTMLInputElement && event.target.setCustomValidity('')}>
        <div className="sheet-fields">
          {first.map((field) => <FieldLine key={field.name} field={field} />)}
          <label className="sheet-wide">
            <span className="sheet-label">{t('opCluster.mode')}</span>
            <select name="mode" className="field" value={mode} onChange={(event) => setMode(event.target.value)}>
              <option value="partner">{t('opCluster.modePartner')}</option>
              <option value="own">{t('opCluster.modeOwn')}</option>
            </select>
          </label>
          {cost.map((field) => <FieldLine key={field.name} field={field} />)}
        </div>
        <div className="sheet-go">
          <button type="submit" className="button button-primary">{t('opCluster.goOn')}</button>
        </div>
      </form>
    </Section>
  );
}

function wayFields(kind: WayKind, values: Values, t: (key: string) => string): Field[] {
  const field = (name: string, label: string, more: Partial<Field> = {}): Field => ({ name, label, value: values[name] ?? '', ...more });
  const ssh = [
    field('host', t('opCluster.host'), { required: true }),
    field('user', t('opCluster.loginUser')),
    field('key', t('opCluster.keyFile'), { hint: t('opCluster.pathHint') }),
    field('known', t('opCluster.knownHosts'), { hint: t('opCluster.pathHint') }),
    field('jump', t('opCluster.jump')),
  ];
  const own: Record<WayKind, Field[]> = {
    ssh: [...ssh, field('bin', t('opCluster.bin'))],
    command: [field('conf', t('opCluster.conf')), field('bin', t('opCluster.bin'))],
    rest: [field('endpoint', t('opCluster.endpoint'), { required: true }), field('api', t('opCluster.api')), field('token', t('opCluster.tokenFile'), { hint: t('opCluster.pathHint') }), field('through', t('opCluster.through'))],
  };
  return [...own[kind], field('work', t('opCluster.workRoot'), { required: true, wide: true, hint: t('opCluster.workHint') }), field('partitions', t('opCluster.partitions'), { wide: true, hint: t('opCluster.partitionsHint') })];
}

function Way({ values, onBack, onDone }: { values: Values; onBack: (more: Values) => void; onDone: (more: Values) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [kind, setKind] = useState<WayKind>((values.kind as WayKind) ?? 'ssh');
  const send = useMutation({
    mutationFn: async (more: Values) => {
      await unwrap(api.POST('/v1/clusters', { params: { header: once() }, body: bodyOf({ ...values, ...more }) }));
      return more;
    },
    onSuccess: (more) => {
      void client.invalidateQueries({ queryKey: ['operate'] });
      onDone(more);
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    send.mutate(valuesOf(event.currentTarget));
  };
  return (
    <Section>
      <form onSubmit={submit}>
        <div className="sheet-fields">
          <label className="sheet-wide">
            <span className="sheet-label">{t('opCluster.wayKind')}</span>
            <select name="kind" className="field" value={kind} onChange={(event) => setKind(event.target.value as WayKind)}>
              <option value="ssh">{t('opCluster.waySsh')}</option>
              <option value="rest">{t('opCluster.wayRest')}</option>
              <option value="command">{t('opCluster.wayCommand')}</option>
            </select>
          </label>
          {wayFields(kind, values, (key) => t(key)).map((field) => <FieldLine key={`${kind} ${field.name}`} field={field} />)}
        </div>
        {send.error && <Refusal error={send.error} />}
        <div className="sheet-go">
          <button type="button" className="button" onClick={(event) => onBack(valuesOf(event.currentTarget.form as HTMLFormElement))}>{t('opCluster.back')}</button>
          <button type="submit" className="button button-primary" disabled={send.isPending}>{t('opCluster.registerTest')}</button>
        </div>
      </form>
    </Section>
  );
}

/** The request that the fields make: own clusters cost by node, partners' take a fee. */
function bodyOf(values: Values): Schemas['ClusterCreate'] {
  const { name = '', supplier = '', site, region, mode, placeLabel } = values;
  const at = degreesOf(values.degrees ?? '');
  const place = at && { ...at, ...(placeLabel ? { label: placeLabel } : {}) };
  const body = { name, supplier, mode: mode === 'own' ? ('own' as const) : ('partner' as const), ...(site ? { site } : {}), ...(region ? { region } : {}), ...(place && { place }), slurm: slurmOf(values) as Record<string, never> };
  if (mode === 'own') {
    const cost = { purchase_price: values.purchase || '0', residual: values.residual || '0', datacentre_fee_month: values.datacentre || '0', ...(values.life ? { life_months: Number(values.life) } : {}) };
    return { ...body, cost };
  }
  const fee = { ...(values.core ? { core_hour: values.core } : {}), ...(values.card ? { card_hour: values.card } : {}), ...(values.gib ? { gib_hour: values.gib } : {}) };
  return { ...body, fee };
}

function Test({ name, onBack }: { name: string; onBack: () => void }) {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const cluster = useQuery({ ...q.cluster(name), refetchInterval: 2000 });
  return (
    <div className="op-stack">
      <Section title={t('opCluster.testTitle', { cluster: name })}>
        <p className="faint">{t('opCluster.testText')}</p>
        {cluster.data?.link?.error && (
          <div className="note note-bad" role="alert">
            <div>
              <strong>{t('opCluster.wayFails')}</strong>
              <p lang="en">{cluster.data.link.error}</p>
            </div>
          </div>
        )}
        <div className="op-actions">
          <button type="button" className="button" onClick={onBack}>{t('opCluster.changeWay')}</button>
          {cluster.data && <ServiceActions cluster={cluster.data} />}
          <Link to="/operate/clusters/$cluster" params={{ cluster: name }} className="button">{t('opCluster.toCluster')}</Link>
        </div>
      </Section>
      <Reports cluster={name} mayChange={mayChange} />
    </div>
  );
}
