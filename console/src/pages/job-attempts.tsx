// Asked, given, used: one card of figures per attempt of a job.
import { useTranslation } from 'react-i18next';

import type { Attempt, Job } from '../api/types';
import { useFormat, useNow } from '../ui/hooks';
import { AmountsText, Facts, Section } from '../ui/parts';

export function Attempts({ job }: { job: Job }) {
  const { t } = useTranslation();
  if (job.attempts.length === 0) return null;
  // The latest is the one people look for.
  return (
    <Section title={t('job.attempts')}>
      {[...job.attempts].reverse().map((attempt) => (
        <AttemptPart key={attempt.id} attempt={attempt} job={job} alone={job.attempts.length === 1} />
      ))}
    </Section>
  );
}

function AttemptPart({ attempt, job, alone }: { attempt: Attempt; job: Job; alone: boolean }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(attempt.ended_at ? 60_000 : 1000);
  const { usage, granted } = attempt;
  const end = attempt.ended_at ? new Date(attempt.ended_at).getTime() : now;
  const ran = attempt.started_at ? (end - new Date(attempt.started_at).getTime()) / 1000 : undefined;
  // Share of the cores' time that was computed with; the kernel's figures arrive at the end or with each metering.
  const possible = ran && (granted.cpu_millis / 1000) * ran;
  const busy = possible && usage.cpu_seconds > 0 ? ` (${format.number(Math.min(100, (usage.cpu_seconds / possible) * 100), 0)}%)` : '';
  const peak = granted.memory_bytes > 0 && usage.memory_peak_bytes > 0 ? ` (${format.number((usage.memory_peak_bytes / granted.memory_bytes) * 100, 0)}%)` : '';
  const outcome = attempt.outcome ? t(`outcome.${attempt.outcome}`) : t(`phase.${attempt.phase}`);
  return (
    <div className="attempt">
      {!alone && <h3>{`${t('job.attempt')} ${attempt.number}`}</h3>}
      <Facts
        items={[
          [t('job.pool'), `${attempt.pool_name} · ${attempt.cluster_name}`],
          [t('job.outcome'), outcome],
          [t('job.requested'), <AmountsText key="asked" amounts={job.requested} chip={job.requested.chips[0]} />],
          [t('job.granted'), <AmountsText key="granted" amounts={granted} />],
          [t('job.cpuUsed'), usage.cpu_seconds > 0 && format.span(usage.cpu_seconds) + busy],
          [t('job.memoryPeak'), usage.memory_peak_bytes > 0 && format.bytes(usage.memory_peak_bytes) + peak],
          [t('job.readWritten'), usage.read_bytes + usage.written_bytes > 0 && `${format.bytes(usage.read_bytes)} / ${format.bytes(usage.written_bytes)}`],
          [t('job.ranFor'), ran !== undefined && format.span(attempt.ended_at ? ran : Math.floor(ran))],
        ]}
      />
      {attempt.note && (
        <p className="faint mono" lang="en">
          {attempt.note}
        </p>
      )}
    </div>
  );
}
