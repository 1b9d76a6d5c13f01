// What the pages of money share: their names on a line, whose money it is, how a refusal to see it is told.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';

import { ApiProblem } from '../../api/problem';
import { sessionQuery } from '../../api/queries';
import { useTitle } from '../../ui/hooks';
import { Empty, ErrorNote, Loading, PageHead, Section } from '../../ui/parts';

export const useMe = () => useQuery(sessionQuery).data?.user;

export function MoneyFrame({ title, children, actions }: { title: string; children: ReactNode; actions?: ReactNode }) {
  const { t } = useTranslation();
  useTitle(title);
  const role = useMe()?.role;
  const active = { className: 'view is-active', 'aria-current': 'page' } as const;
  const exact = { exact: true, includeSearch: false };
  return (
    <>
      <PageHead title={title}>{actions}</PageHead>
      <nav className="views" aria-label={t('money.title')}>
        <Link to="/money" className="view" activeProps={active} activeOptions={exact}>
          {t('money.wallet')}
        </Link>
        <Link to="/money/spend" className="view" activeProps={active} activeOptions={exact}>
          {t('money.spend')}
        </Link>
        {role !== 'member' && (
          <Link to="/money/statements" className="view" activeProps={active} activeOptions={{ includeSearch: false }}>
            {t('money.statements')}
          </Link>
        )}
        <Link to="/money/transfers" className="view" activeProps={active} activeOptions={exact}>
          {t('money.transfers')}
        </Link>
      </nav>
      {children}
    </>
  );
}

interface Query<T> {
  data: T | undefined;
  error: unknown;
  refetch: () => unknown;
}

/** A list as it comes: its bars, its failure, that it may not be seen, that there is none, or its rows. */
export function Listed<T>({ query, none, children, lines = 2 }: { query: Query<{ items: T[] }>; none: ReactNode; children: (items: T[]) => ReactNode; lines?: number }) {
  const { t } = useTranslation();
  if (query.error instanceof ApiProblem && query.error.status === 403) {
    return <p className="pad faint">{t('money.forbidden')}</p>;
  }
  if (query.error && !query.data) return <ErrorNote error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <Loading lines={lines} />;
  return query.data.items.length === 0 ? none : children(query.data.items);
}

export function Nothing({ title, text }: { title: string; text: string }) {
  return (
    <Section>
      <Empty title={title}>
        <p>{text}</p>
      </Empty>
    </Section>
  );
}
