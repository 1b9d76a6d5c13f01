// What a job cost so far: who paid, what was amended, and what it may come to at its time limit.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import { explainQuery, intervalsQuery } from '../api/queries';
import type { Job } from '../api/types';
import { less, micros, sum } from '../lib/decimal';
import { isOpen } from '../lib/jobs';
import { useFormat } from '../ui/hooks';
import { Facts, Section } from '../ui/parts';

export function Cost({ job }: { job: Job }) {
  const { t } = useTranslation();
  const format = useFormat();
  const intervals = useQuery({ ...intervalsQuery(job.id), enabled: Boolean(job.started_at) }).data;
  const explained = useQuery({ ...explainQuery(job.id), enabled: isOpen(job.state), retry: false }).data;
  const open = isOpen(job.state);
  const items = intervals?.items ?? [];
  const drawn = sum(items.map((one) => one.drawn));
  const credited = sum(items.map((one) => one.credited));
  const uncollected = sum(items.map((one) => one.uncollected));
  const corrected = sum((job.corrections ?? []).map((one) => one.amount));
  const price = explained?.candidates.find((one) => one.chosen)?.price;
  const money = (text: string) => format.money(text, job.currency);
  const some = (text: string) => micros(text) !== 0n && money(text);
  // Sums of a part of the intervals would mislead.
  const whole = intervals !== undefined && !intervals.next_cursor;
  const asked = less(sum([job.charged, corrected]), drawn, credited, uncollected);
  return (
    <Section title={t('cost.title')}>
      <p className="figure figure-small">{money(job.charged)}</p>
      <p className="faint">{open ? `${t('job.chargedSoFar')}, ${t('job.chargedNote')}` : t('cost.final')}</p>
      <Facts
        items={[
          [t('cost.atLimit'), open && price != null && money(price)],
          [t('cost.drawn'), whole && some(drawn)],
          [t('cost.credited'), whole && some(credited)],
          [t('cost.uncollected'), whole && some(uncollected)],
          [t('statement.corrections'), some(corrected)],
          [t('cost.asked'), whole && asked !== job.charged && money(asked)],
          [t('cost.intervals'), items.length > 0 && format.number(items.length)],
        ]}
      />
      {(job.corrections ?? []).map((one) => (
        <p key={one.transfer} className="faint">
          {`${format.money(one.amount, one.currency)}: ${one.reason}`}
        </p>
      ))}
    </Section>
  );
}
