// The policy document: edited as text, checked by the server without effect, put into force over the version one looked at; and its versions.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { Empty, Section } from '../ui/parts';
import { useAddress, useMayChange } from './address';
import { Refusal } from './form';
import { Answer, Pager, Tag, When } from './parts';
import { diff, hunks } from './policy-text';
import { once, q, type Schemas } from './queries';

export function PolicyEditor() {
  const [search] = useAddress();
  const policy = useQuery({ ...q.policy, staleTime: Infinity });
  // What was tried in the twin, to be put into force.
  const tried = useQuery({ ...q.twinRun(search.run ?? ''), enabled: !!search.run });
  return (
    <Answer query={policy} lines={12}>
      {(data) => (search.run ? <Answer query={tried} lines={12}>{(run) => <Editor key={`${data.version} ${run.id}`} policy={data} tried={run.asked.changes?.policy ?? undefined} />}</Answer> : <Editor key={data.version} policy={data} />)}
    </Answer>
  );
}

function Editor({ policy, tried }: { policy: Schemas['Policy']; tried?: string | undefined }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const [text, setText] = useState(tried ?? policy.document);
  const [note, setNote] = useState('');
  const send = useMutation({
    mutationFn: (dry: boolean) => unwrap(api.PUT('/v1/policy', { params: { header: once() }, body: { document: text, dry_run: dry, expected_version: policy.version, note } })),
    onSuccess: (done) => { if (!done.dry_run) void client.invalidateQueries({ queryKey: ['operate', 'policy'] }); },
  });
  const trial = useTrial(text, note);
  const lines = diff(policy.document, text);
  const changed = lines.some((line) => line.kind !== 'same');
  return (
    <div className="op-stack">
      <Section title={<>{t('opPlace.inForce', { version: policy.version })}</>} aside={policy.at && <span className="faint"><When at={policy.at} /></span>}>
        <label>
          <span className="sheet-label">{t('opPlace.document')}</span>
          <textarea className="field code" rows={24} spellCheck={false} readOnly={!mayChange} value={text} onChange={(event) => { setText(event.target.value); send.reset(); trial.reset(); }} />
        </label>
        {send.error && <Refusal error={send.error} />}
        {trial.error && <Refusal error={trial.error} />}
        {mayChange && (
          <>
            <label className="draft-bar">
              <span className="sheet-label">{t('opPlace.note')}</span>
              <input className="field" value={note} maxLength={200} onChange={(event) => setNote(event.target.value)} />
            </label>
            <div className="sheet-go draft-bar">
              {changed && <button type="button" className="button" onClick={() => { setText(policy.document); send.reset(); }}>{t('opPlace.undo')}</button>}
              <button type="button" className="button" disabled={send.isPending || !changed} onClick={() => send.mutate(true)}>{t('opPlace.check')}</button>
              <button type="button" className="button" disabled={trial.isPending || !changed} onClick={() => trial.mutate()}>{t('opTwin.try')}</button>
              <button type="button" className="button button-primary" disabled={send.isPending || !changed} onClick={() => send.mutate(false)}>{t('opPlace.putIntoForce')}</button>
            </div>
          </>
        )}
      </Section>
      {send.data?.dry_run && <Changes changes={send.data.changes} title={t('opPlace.wouldChange')} />}
      {changed && (
        <Section title={t('opPlace.difference')} flush>
          <Diff from={policy.document} to={text} />
        </Section>
      )}
    </div>
  );
}

/** The last days again under the edited policy, beside the one in force; the server checks the text first. */
function useTrial(policy: string, note: string) {
  const navigate = useNavigate();
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => unwrap(api.POST('/v1/twin/runs', { params: { header: once() }, body: { kind: 'past', note, changes: { policy } } })),
    onSuccess: (run) => {
      void client.invalidateQueries({ queryKey: ['operate', 'twinRuns'] });
      void navigate({ to: '/operate/twin/$run', params: { run: run.id } });
    },
  });
}

function Changes({ changes, title }: { changes: readonly string[]; title: string }) {
  const { t } = useTranslation();
  return (
    <Section title={title}>
      {changes.length === 0 ? (
        <p className="faint" role="status">{t('opPlace.noChange')}</p>
      ) : (
        <div role="status">
          <ul className="mono changes" lang="en">
            {changes.map((change) => (
              <li key={change}>{change}</li>
            ))}
          </ul>
        </div>
      )}
    </Section>
  );
}

export function Diff({ from, to }: { from: string; to: string }) {
  const { t } = useTranslation();
  return (
    <div className="diff" role="region" aria-label={t('opPlace.difference')} tabIndex={0}>
      {hunks(diff(from, to)).map((line, at) =>
        line.kind === 'gap' ? (
          <span key={`gap ${at}`} className="diff-line diff-gap">{t('opPlace.sameLines', { count: line.count })}</span>
        ) : (
          <span key={`${at} ${line.text}`} className={`diff-line diff-${line.kind}`}>{line.text || ' '}</span>
        ),
      )}
    </div>
  );
}

export function PolicyVersions() {
  const { t } = useTranslation();
  const [search, change] = useAddress();
  const versions = useQuery(q.policies(search.cursor));
  const now = useQuery(q.policy).data;
  const shown = versions.data?.items.find((version) => String(version.version) === search.version);
  return (
    <div className="op-stack">
      <Section flush>
        <Answer query={versions} lines={6}>
          {(page) =>
            page.items.length === 0 ? (
              <Empty title={t('opPlace.noVersions')}><p>{t('opPlace.noVersionsText')}</p></Empty>
            ) : (
              <>
                <ul className="lines">
                  {page.items.map((version) => (
                    <li key={version.version} className="line">
                      <div className="line-head">
                        <button type="button" className="link-button" aria-expanded={shown === version} onClick={() => change({ version: shown === version ? undefined : String(version.version) })}>
                          {t('opPlace.version', { version: version.version })}
                        </button>
                        {version.version === now?.version && <Tag tone="good">{t('opPlace.now')}</Tag>}
                        <strong>{version.note}</strong>
                        <span className="line-end">{version.actor?.name} {version.at && <When at={version.at} />}</span>
                      </div>
                      <ul className="mono changes line-text" lang="en">
                        {version.changes.map((one) => <li key={one}>{one}</li>)}
                      </ul>
                    </li>
                  ))}
                </ul>
                <Pager next={page.next_cursor ?? undefined} />
              </>
            )
          }
        </Answer>
      </Section>
      {shown && now && shown.version !== now.version && (
        <Section title={t('opPlace.sinceThen', { version: shown.version })} flush>
          <Diff from={shown.document} to={now.document} />
        </Section>
      )}
    </div>
  );
}
