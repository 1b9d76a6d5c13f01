// Handing in a job: a script pasted, dropped or typed, its faults at their lines, and what it would be before it is.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { App, Button, Input } from 'antd';
import { type DragEvent, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, idempotencyKey, unwrap } from '../api/client';
import { ApiProblem, asProblem } from '../api/problem';
import { quoteQuery, sessionQuery, submissionQuery } from '../api/queries';
import type { JobSubmit, Quote } from '../api/types';
import { micros } from '../lib/decimal';
import { SAMPLE, SCRIPT_BYTES_MAX } from '../lib/script';
import { CandidateTable } from '../ui/candidates';
import { useFormat, useSettled, useTitle } from '../ui/hooks';
import { AmountsText, ErrorNote, Facts, Loading, PageHead, Section } from '../ui/parts';
import { type Mark, ScriptEditor } from '../ui/script-editor';
import { ScriptFields, Templates } from './submit-fields';
import { Said, type SaidOptions } from './submit-said';

const route = getRouteApi('/shell/submit');

/** Pause in typing after which a quote is asked for. */
const QUOTE_AFTER_MS = 350;
const DRAFT = 'hw.draft';

interface Draft {
  script: string;
  project: string;
  workDir: string;
  name?: string | undefined;
  args?: string[] | undefined;
  /** Paths in the file space, one beside the other. */
  inputs?: string | undefined;
  /** Options and variables that were said beside the script of the job that is submitted again. */
  options?: SaidOptions | undefined;
  environment?: Record<string, string> | undefined;
}
const EMPTY: Draft = { script: '', project: '', workDir: '' };

/** `path`, or `path:name`, each by itself. */
const inputsOf = (text: string | undefined): { path: string; name?: string }[] =>
  (text ?? '')
    .split(/[,\n]/)
    .map((path) => path.trim())
    .filter(Boolean)
    .map((word) => {
      const [path = '', name] = word.split(/:(?=[^:]*$)/);
      return { path, ...(name && { name }) };
    });

/** What was typed survives a reload of this tab; a shared machine's next tab does not see it. */
function storedDraft(): Draft {
  try {
    return { ...EMPTY, ...(JSON.parse(sessionStorage.getItem(DRAFT) ?? '{}') as Partial<Draft>) };
  } catch {
    return EMPTY;
  }
}

const bodyOf = (draft: Draft, pool: string | undefined): JobSubmit => ({
  script: draft.script,
  ...(draft.project.trim() && { project: draft.project.trim() }),
  ...(draft.workDir.trim() && { work_dir: draft.workDir.trim() }),
  ...(draft.args && draft.args.length > 0 && { args: draft.args }),
  ...(inputsOf(draft.inputs).length > 0 && { inputs: inputsOf(draft.inputs) }),
  ...(draft.name && { script_name: draft.name }),
  ...((pool || Object.keys(draft.options ?? {}).length > 0) && { options: { ...draft.options, ...(pool && { partition: pool }) } }),
  ...(Object.keys(draft.environment ?? {}).length > 0 && { environment: draft.environment }),
});

function useDraft(from: string | undefined) {
  const [draft, setDraft] = useState<Draft>(() => (from ? EMPTY : storedDraft()));
  const source = useQuery({ ...submissionQuery(from ?? ''), enabled: Boolean(from) });
  const said = source.data;
  useEffect(() => {
    if (!said) return;
    const inputs = (said.inputs ?? []).map(({ path, name }) => (name ? `${path}:${name}` : path)).join(', ');
    setDraft({ script: said.script, project: said.project ?? '', workDir: said.work_dir ?? '', name: said.script_name ?? undefined, args: said.args, inputs, options: said.options, environment: said.environment });
  }, [said]);
  useEffect(() => {
    try {
      sessionStorage.setItem(DRAFT, JSON.stringify(draft));
    } catch {
      // Larger than the browser keeps: the draft then lives as long as the page.
    }
  }, [draft]);
  return { draft, setDraft, sourceError: source.error };
}

export function SubmitPage() {
  const { t } = useTranslation();
  useTitle(t('submit.title'));
  const { from, pool } = route.useSearch();
  const navigate = route.useNavigate();
  const client = useQueryClient();
  const { message } = App.useApp();
  const user = useQuery(sessionQuery).data?.user;
  const { draft, setDraft, sourceError } = useDraft(from);
  const body = bodyOf(draft, pool);
  const settled = useSettled(JSON.stringify(body), QUOTE_AFTER_MS);
  const quote = useQuery(quoteQuery(JSON.parse(settled) as JobSubmit));
  const key = useRef({ body: '', key: '' });

  const submit = useMutation({
    mutationFn: () => {
      // The same content keeps its key, so that a second try after a lost answer is not a second job.
      const text = JSON.stringify(body);
      if (key.current.body !== text) key.current = { body: text, key: idempotencyKey() };
      return unwrap(api.POST('/v1/jobs', { body, params: { header: { 'Idempotency-Key': key.current.key } as never } }));
    },
    onSuccess: (accepted) => {
      key.current = { body: '', key: '' };
      void message.success(
        accepted.elements > 1 ? t('submit.acceptedArray', { number: accepted.number, elements: accepted.elements }) : t('submit.accepted', { number: accepted.number }),
      );
      sessionStorage.removeItem(DRAFT);
      void client.invalidateQueries({ queryKey: ['jobs'] });
      if (accepted.elements > 1) void navigate({ to: '/jobs', search: { array: String(accepted.number) } });
      else void navigate({ to: '/jobs/$job', params: { job: accepted.job ?? String(accepted.number) } });
    },
  });

  const current = settled === JSON.stringify(body);
  const marks = marksOf(submit.error ?? quote.error, quote.error ? undefined : quote.data);
  const change = (part: Partial<Draft>) => {
    submit.reset();
    setDraft((d) => ({ ...d, ...part }));
  };
  const ready = draft.script.trim() !== '' && !submit.isPending;
  const go = () => ready && submit.mutate();

  return (
    <>
      <PageHead title={t('submit.title')} />
      <div className="submit">
        <div className="submit-main">
          {from && !sourceError && <div className="note">{t('submit.from', { job: from })}</div>}
          {from && sourceError && <div className="note note-bad">{t('submit.fromFailed', { job: from })}</div>}
          <ScriptPanel from={from} draft={draft} marks={current ? marks : []} onChange={change} onSubmit={go} />
          {draft.options && <Said options={draft.options} onChange={(options) => change({ options })} />}
          <ScriptFields script={draft.script} onChange={(script) => change({ script })} />
          <div className="fields">
            <label>
              <span>{t('submit.project')}</span>
              <Input value={draft.project} maxLength={64} placeholder={user && t('submit.projectHint', { project: user.project_name })} onChange={(e) => change({ project: e.target.value })} />
            </label>
            <label>
              <span>{t('submit.workDir')}</span>
              <Input value={draft.workDir} maxLength={4096} placeholder={t('submit.workDirHint')} onChange={(e) => change({ workDir: e.target.value })} />
            </label>
            <div className="fields-wide">
              <label>
                <span>{t('submit.inputs')}</span>
                <Input value={draft.inputs ?? ''} maxLength={8192} placeholder={t('submit.inputsHint')} spellCheck={false} autoCapitalize="none" onChange={(e) => change({ inputs: e.target.value })} />
              </label>
              <Link to="/files">{t('submit.bring')}</Link>
            </div>
          </div>
        </div>
        <div className="submit-side">
          <QuotePanel empty={draft.script.trim() === ''} quote={quote.error ? undefined : quote.data} error={quote.error} busy={!current || quote.isFetching} />
          {submit.error && <SubmitError error={submit.error} />}
          <div className="submit-go">
            {pool && (
              <Link to="/submit" search={{ from }} className="chip" title={t('submit.anyPool')} aria-label={t('submit.anyPool')}>
                {`${t('job.pool')}: ${pool} ✕`}
              </Link>
            )}
            <span className="faint kbd-hint">{t('submit.goHint')}</span>
            <Button type="primary" size="large" disabled={!ready} loading={submit.isPending} onClick={go}>
              {t('submit.go')}
            </Button>
          </div>
        </div>
      </div>
    </>
  );
}

/** Faults of the refused script, or remarks on the accepted one, by line where they have one. */
function marksOf(error: unknown, quote: Quote | undefined): Mark[] {
  if (error instanceof ApiProblem) {
    return error.errors.map((e) => ({ kind: 'fault' as const, line: e.line ?? undefined, code: e.code ?? undefined, option: e.option ?? undefined, text: e.hint ? `${e.message} — ${e.hint}` : e.message }));
  }
  return (quote?.warnings ?? []).map((w) => ({ kind: 'remark' as const, line: w.line ?? undefined, code: undefined, option: w.option ?? undefined, text: w.message }));
}

interface ScriptProps {
  from: string | undefined;
  draft: Draft;
  marks: Mark[];
  onChange: (part: Partial<Draft>) => void;
  onSubmit: () => void;
}

function ScriptPanel({ from, draft, marks, onChange, onSubmit }: ScriptProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const { message } = App.useApp();
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const read = async (file: File | undefined) => {
    if (!file) return;
    if (file.size > SCRIPT_BYTES_MAX) return void message.error(t('submit.tooLarge', { size: format.bytes(SCRIPT_BYTES_MAX) }));
    const text = await file.text();
    if (text.includes('\0')) return void message.error(t('submit.notText'));
    onChange({ script: text, name: file.name });
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void read(event.dataTransfer.files[0]);
  };
  return (
    <Section
      flush
      title={t('submit.script')}
      aside={
        <span className="panel-tools">
          <Templates from={from} />
          <Button size="small" onClick={() => picker.current?.click()}>
            {t('submit.open')}
          </Button>
          {draft.script === '' ? (
            <Button size="small" onClick={() => onChange({ script: SAMPLE, name: undefined })}>
              {t('submit.sample')}
            </Button>
          ) : (
            <Button size="small" onClick={() => onChange({ script: '', name: undefined, options: undefined, environment: undefined })}>
              {t('submit.clear')}
            </Button>
          )}
        </span>
      }
    >
      <div
        className={over ? 'drop drop-over' : 'drop'}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <ScriptEditor
          value={draft.script}
          label={t('submit.script')}
          placeholder={t('submit.placeholder')}
          marks={marks}
          onChange={(script) => onChange({ script })}
          onSubmit={onSubmit}
        />
        <div className="drop-hint faint">{over ? t('submit.dropNow') : t('submit.drop')}</div>
      </div>
      <input
        ref={picker}
        type="file"
        hidden
        aria-label={t('submit.open')}
        onChange={(event) => {
          void read(event.target.files?.[0]);
          event.target.value = '';
        }}
      />
      <MarkList marks={marks} />
    </Section>
  );
}

function MarkList({ marks }: { marks: Mark[] }) {
  const { t } = useTranslation();
  if (marks.length === 0) return null;
  const faults = marks.some((mark) => mark.kind === 'fault');
  return (
    <div className={faults ? 'marks marks-fault' : 'marks'} role="status">
      <strong>{faults ? t('submit.faults', { count: marks.length }) : t('submit.warnings', { count: marks.length })}</strong>
      <ul>
        {marks.map((mark, i) => (
          <li key={i}>
            {mark.line !== undefined && <span className="marks-line">{t('submit.line', { line: mark.line })}</span>}
            <span>
              {mark.option && <span className="mono">{`--${mark.option.replaceAll('_', '-').replace(/^-+/, '')} `}</span>}
              {mark.code && <span>{`${t(`fault.${mark.code}`, { defaultValue: mark.code })}: `}</span>}
              <span lang="en">{mark.text}</span>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface QuoteProps {
  empty: boolean;
  quote: Quote | undefined;
  error: unknown;
  busy: boolean;
}

function QuotePanel({ empty, quote, error, busy }: QuoteProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const aside = busy && !empty && <span className="faint">{t('submit.quoteBusy')}</span>;
  const faulty = error instanceof ApiProblem && error.errors.length > 0;
  return (
    <Section title={t('submit.quote')} aside={aside} flush>
      {empty ? (
        <p className="pad faint">{t('submit.quoteEmpty')}</p>
      ) : error ? (
        faulty ? <p className="pad bad-text">{t('error.script_invalid')}</p> : <ErrorNote error={error} />
      ) : !quote ? (
        <Loading lines={3} />
      ) : (
        <div className={busy ? 'is-stale' : undefined}>
          <div className="pad">
            <Facts
              items={[
                [t('submit.asks'), <AmountsText key="asks" amounts={quote.request} chip={quote.request.chips[0]} />],
                [t('submit.timeLimit'), format.span(quote.time_limit_seconds)],
                [t('submit.elements'), quote.elements > 1 && format.number(quote.elements)],
                [t('submit.covered'), micros(quote.covered) > 0n && format.money(quote.covered ?? '0', quote.currency)],
                [t('submit.granted'), micros(quote.granted) > 0n && format.money(quote.granted ?? '0', quote.currency)],
                [t('submit.hold'), <strong key="hold">{format.money(quote.hold, quote.currency)}</strong>],
              ]}
            />
            {!quote.chosen && <p className="warn-text">{t('submit.nowhere')}</p>}
          </div>
          <CandidateTable candidates={quote.candidates} currency={quote.currency} />
          <p className="pad faint">{`${t('candidates.price')}: ${t('candidates.priceNote')}`}</p>
        </div>
      )}
    </Section>
  );
}

function SubmitError({ error }: { error: unknown }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { missing, needed, available, currency } = asProblem(error).body;
  return (
    <div>
      <ErrorNote error={error} />
      {missing && needed && available && currency && (
        <p className="bad-text">
          {t('submit.missing', { missing: format.money(missing, currency), needed: format.money(needed, currency), available: format.money(available, currency) })}
        </p>
      )}
    </div>
  );
}
