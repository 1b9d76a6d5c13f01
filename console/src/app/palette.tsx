// Everything by keyboard: a field that finds pages, views, jobs and actions (Ctrl or Cmd K), keys that lead to pages, their help (?).
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type KeyboardEvent as ReactKey, useEffect, useId, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { jobsQuery } from '../api/queries';
import type { JobSummary } from '../api/types';
import { label, searchTarget, viewNames } from '../lib/jobs';
import { type Entry, GO, type GoKey, matching, pressed } from '../lib/keys';
import { useSettled } from '../ui/hooks';
import { chooseTheme } from './theme';

/** Keys typed into a field are the field's. */
export const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Jobs by name are looked for after this pause. */
const LOOK_AFTER_MS = 200;
const JOBS_SHOWN = 5;

type Act = Entry & { hint?: string | undefined; run: () => void };

const PAGE_NAMES: Record<GoKey, string> = { h: 'nav.home', j: 'nav.jobs', p: 'nav.pools', m: 'nav.money', s: 'nav.submit', f: 'space.title', a: 'account.title' };

export function Keyboard() {
  const navigate = useNavigate();
  const [open, setOpen] = useState<'palette' | 'help'>();
  useEffect(() => {
    let before: { key: string; at: number } | undefined;
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        return setOpen((now) => (now === 'palette' ? undefined : 'palette'));
      }
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector('dialog[open], .ant-modal-wrap')) return;
      const meant = pressed(event.key, before, event.timeStamp);
      before = { key: event.key, at: event.timeStamp };
      if (meant && 'go' in meant) void navigate({ to: meant.go });
      else if (event.key === '?') setOpen('help');
    };
    const onOpen = () => setOpen('palette');
    document.addEventListener('keydown', onKey);
    document.addEventListener('hw:palette', onOpen);
    return () => {
      document.removeEventListener('keydown', onKey);
      document.removeEventListener('hw:palette', onOpen);
    };
  }, [navigate]);
  if (open === 'palette') return <Palette onClose={() => setOpen(undefined)} onHelp={() => setOpen('help')} />;
  if (open === 'help') return <Help onClose={() => setOpen(undefined)} />;
  return null;
}

/** The browser's own dialog: it keeps the focus, makes the rest inert, and Escape closes it. */
function useDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return dialog;
}

function useActs(onHelp: () => void): Act[] {
  const { t, i18n } = useTranslation();
  const navigate = useNavigate();
  return useMemo(() => {
    const other = i18n.language === 'zh' ? 'en' : 'zh';
    const also = (key: string) => String(i18n.getResource(other, 'translation', key) ?? '');
    const pages = (Object.keys(GO) as GoKey[]).map((key) => ({
      key: GO[key],
      label: t(PAGE_NAMES[key]),
      also: also(PAGE_NAMES[key]),
      hint: `g ${key}`,
      run: () => void navigate({ to: GO[key] }),
    }));
    const views = viewNames
      .filter((name) => name !== 'all')
      .map((name) => ({ key: `view ${name}`, label: `${t('nav.jobs')}: ${t(`jobs.view.${name}`)}`, also: name, run: () => void navigate({ to: '/jobs', search: { view: name } }) }));
    const money = (['spend', 'statements', 'transfers'] as const).map((name) => ({
      key: `money ${name}`,
      label: `${t('nav.money')}: ${t(`money.${name}`)}`,
      also: also(`money.${name}`),
      run: () => void navigate({ to: `/money/${name}` }),
    }));
    const themes = ([['light', 'top.themeLight'], ['dark', 'top.themeDark'], ['system', 'top.themeSystem']] as const).map(([name, key]) => ({
      key: `theme ${name}`,
      label: `${t('top.theme')}: ${t(key)}`,
      also: name,
      run: () => chooseTheme(name),
    }));
    const language = { key: 'language', label: t('top.languageHint'), also: 'language 语言', run: () => void i18n.changeLanguage(other) };
    const help = { key: 'help', label: t('keys.title'), also: also('keys.title'), hint: '?', run: onHelp };
    return [...pages, ...views, ...money, ...themes, language, help];
  }, [t, i18n, i18n.language, navigate, onHelp]);
}

/** The job a number names, and those whose name is what was typed. */
function useJobs(typed: string): Act[] {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const settled = useSettled(typed.trim(), LOOK_AFTER_MS);
  const [found, setFound] = useState<{ name: string; jobs: JobSummary[] }>({ name: '', jobs: [] });
  // A number needs no looking for.
  const target = searchTarget(typed);
  const wanted = searchTarget(settled);
  const name = wanted && 'name' in wanted ? wanted.name : '';
  useEffect(() => {
    if (name === '') return undefined;
    let wanted = true;
    client
      .fetchQuery(jobsQuery({ name_prefix: name, limit: JOBS_SHOWN }))
      .then((page) => wanted && setFound({ name, jobs: page.items }))
      .catch(() => undefined);
    return () => void (wanted = false);
  }, [client, name]);
  const open = (job: string) => void navigate({ to: '/jobs/$job', params: { job } });
  if (target && 'job' in target) return [{ key: 'job', label: t('job.title', { label: target.job }), run: () => open(target.job) }];
  if (found.name !== typed.trim()) return [];
  return found.jobs.map((job) => ({ key: job.id, label: `${label(job)} ${job.name}`, hint: t(`state.${job.state}`), run: () => open(label(job)) }));
}

function Palette({ onClose, onHelp }: { onClose: () => void; onHelp: () => void }) {
  const { t } = useTranslation();
  const dialog = useDialog();
  const list = useId();
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const acts = useActs(onHelp);
  const jobs = useJobs(typed);
  const shown = [...jobs, ...matching(acts, typed)];
  const current = Math.min(at, shown.length - 1);
  const run = (act: Act | undefined) => {
    if (!act) return;
    onClose();
    act.run();
  };
  const onKey = (event: ReactKey) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'ArrowDown') setAt((current + 1) % Math.max(1, shown.length));
    else if (event.key === 'ArrowUp') setAt((current - 1 + shown.length) % Math.max(1, shown.length));
    else if (event.key === 'Enter') run(shown[current]);
    else return;
    event.preventDefault();
  };
  return (
    <dialog ref={dialog} className="palette" aria-label={t('keys.palette')} onClose={onClose} onClick={(event) => event.target === event.currentTarget && onClose()}>
      <input
        className="palette-field"
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={shown[current] && `${list}-${current}`}
        aria-label={t('keys.palette')}
        placeholder={t('keys.paletteHint')}
        value={typed}
        autoComplete="off"
        spellCheck={false}
        onKeyDown={onKey}
        onChange={(event) => {
          setTyped(event.target.value);
          setAt(0);
        }}
      />
      <ul id={list} role="listbox" className="palette-list" aria-label={t('keys.palette')}>
        {shown.map((act, i) => (
          <li
            key={act.key}
            id={`${list}-${i}`}
            role="option"
            aria-selected={i === current}
            ref={(element) => void (i === current && element?.scrollIntoView({ block: 'nearest' }))}
            onClick={() => run(act)}
          >
            <span>{act.label}</span>
            {act.hint && <kbd>{act.hint}</kbd>}
          </li>
        ))}
      </ul>
      {shown.length === 0 && <p className="pad faint">{t('keys.nothing')}</p>}
    </dialog>
  );
}

function Help({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const dialog = useDialog();
  const rows: [string, string][] = [
    ['Ctrl K / ⌘ K', t('keys.palette')],
    ['/', t('keys.search')],
    ...(Object.keys(GO) as GoKey[]).map((key): [string, string] => [`g ${key}`, t(PAGE_NAMES[key])]),
    ['Ctrl Enter', t('keys.submit')],
    ['?', t('keys.title')],
    ['Esc', t('common.close')],
  ];
  return (
    <dialog ref={dialog} className="palette help" aria-label={t('keys.title')} onClose={onClose} onClick={(event) => event.target === event.currentTarget && onClose()}>
      <h2>{t('keys.title')}</h2>
      <dl>
        {rows.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" className="button" onClick={onClose}>
        {t('common.close')}
      </button>
    </dialog>
  );
}
