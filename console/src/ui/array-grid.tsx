// The elements of an array as a grid of small squares, each a link; states by colour and by their title, counted in words above.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';

import { arrayQuery } from '../api/queries';
import type { JobState, JobSummary } from '../api/types';
import { label, TONES } from '../lib/jobs';
import { useFormat } from './hooks';
import { ErrorNote, Loading } from './parts';
import { StateTag } from './state';

export function ArrayGrid({ array, current }: { array: string; current?: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const elements = useQuery(arrayQuery(array));
  const items = elements.data?.items;
  if (elements.error && !items) return <ErrorNote error={elements.error} onRetry={() => void elements.refetch()} />;
  if (!items) return <Loading lines={2} />;
  const sorted = [...items].sort((a, b) => (a.array?.index ?? 0) - (b.array?.index ?? 0));
  const counts = new Map<JobState, number>();
  for (const job of items) counts.set(job.state, (counts.get(job.state) ?? 0) + 1);
  return (
    <div className="array">
      <p className="array-counts">
        {[...counts].map(([state, count]) => (
          <span key={state}>
            <StateTag state={state} /> {format.number(count)}
          </span>
        ))}
      </p>
      <ul className="array-grid" aria-label={t('array.elements')}>
        {sorted.map((job) => (
          <Element key={job.id} job={job} current={job.id === current} />
        ))}
      </ul>
      {elements.data?.next_cursor && <p className="faint">{t('array.first', { count: items.length })}</p>}
    </div>
  );
}

function Element({ job, current }: { job: JobSummary; current: boolean }) {
  const { t } = useTranslation();
  const words = `${label(job)}: ${t(`state.${job.state}`)}`;
  return (
    <li>
      <Link to="/jobs/$job" params={{ job: label(job) }} className={`element state-${TONES[job.state]}${current ? ' is-current' : ''}`} title={words} aria-label={words} aria-current={current ? 'true' : undefined}>
        {job.array?.index}
      </Link>
    </li>
  );
}
