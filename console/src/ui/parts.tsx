// Pieces every page is made of: sections, facts, amounts, faults, empty places, things that still load.
import { Button } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { asProblem } from '../api/problem';
import type { Amounts } from '../api/types';
import { useFormat } from './hooks';

export function Section({ title, aside, children, flush }: { title?: ReactNode; aside?: ReactNode; children: ReactNode; flush?: boolean }) {
  return (
    <section className={flush ? 'panel panel-flush' : 'panel'}>
      {title !== undefined && (
        <header className="panel-head">
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}

export function PageHead({ title, children }: { title: ReactNode; children?: ReactNode }) {
  return (
    <div className="page-head">
      <h1>{title}</h1>
      {children && <div className="page-actions">{children}</div>}
    </div>
  );
}

/** Pairs of a name and a value; pairs without a value are left out. */
export function Facts({ items }: { items: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {items
        .filter(([, value]) => value !== undefined && value !== null && value !== false && value !== '')
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** `4 cores · 8 GiB · 2 × A100`, of which nothing breaks inside. */
export function AmountsText({ amounts, chip }: { amounts: Pick<Amounts, 'cpu_millis' | 'memory_bytes' | 'gpus'>; chip?: string | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const parts = [t('units.cores', { count: amounts.cpu_millis / 1000, n: format.cores(amounts.cpu_millis) }), format.bytes(amounts.memory_bytes)];
  if (amounts.gpus > 0) parts.push(t('units.cards', { n: format.number(amounts.gpus), chip: chip ?? t('units.card') }));
  return (
    <span className="amounts">
      {parts.map((part) => (
        <span key={part}>{part}</span>
      ))}
    </span>
  );
}

export function ErrorNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useTranslation();
  const problem = asProblem(error);
  const title = t(`error.${problem.code}`, { defaultValue: t('error.title') });
  return (
    <div className="note note-bad" role="alert">
      <div>
        <strong>{title}</strong>
        {problem.code === 'offline' ? <p>{t('error.offlineText')}</p> : problem.detail && <p lang="en">{problem.detail}</p>}
        {problem.body.request_id && <p className="faint mono">{t('common.request', { id: problem.body.request_id })}</p>}
      </div>
      {onRetry && (
        <Button size="small" onClick={onRetry}>
          {t('common.retry')}
        </Button>
      )}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <svg viewBox="0 0 120 48" aria-hidden="true" focusable="false">
        <path d="M4 34c9-8 19-8 28 0s19 8 28 0 19-8 28 0 19 8 28 0" />
        <path d="M20 22c7-6 14-6 20 0s13 6 20 0 13-6 20 0 13 6 20 0" />
        <path d="M40 11c5-4 9-4 13 0s9 4 14 0 8-4 13 0" />
      </svg>
      <h3>{title}</h3>
      {children}
    </div>
  );
}

/** Grey bars in the place of lines to come; they appear only when waiting is worth showing (see styles.css). */
export function Loading({ lines = 4 }: { lines?: number }) {
  const { t } = useTranslation();
  return (
    <div className="loading" role="status">
      <span className="hidden-text">{t('common.loading')}</span>
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className="loading-line" />
      ))}
    </div>
  );
}

/** A bar of a share with its words beside it; the bar itself is decoration. */
export function Share({ label, used, total, text }: { label: string; used: number; total: number; text: string }) {
  const part = total > 0 ? Math.min(1, Math.max(0, used / total)) : 0;
  return (
    <div className="share">
      <span className="share-label">{label}</span>
      <span className="share-bar" aria-hidden="true">
        <span className={part > 0.9 ? 'share-used share-full' : 'share-used'} style={{ width: `${part * 100}%` }} />
      </span>
      <span className="share-text">{text}</span>
    </div>
  );
}
