// Fields for what scripts say most often; they write #SBATCH lines into the script, which stays the one truth.
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Input, Select } from 'antd';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { jobsQuery, poolsQuery, sessionQuery } from '../api/queries';
import { type Option, optionOf, withOption } from '../lib/directives';
import { label } from '../lib/jobs';
import { useFormat, usePhone } from '../ui/hooks';

interface Props {
  script: string;
  onChange: (script: string) => void;
}

const TEXTS: readonly { option: Option; numeric?: boolean; hint: string }[] = [
  { option: 'job-name', hint: 'my-job' },
  { option: 'nodes', numeric: true, hint: '1' },
  { option: 'ntasks', numeric: true, hint: '4' },
  { option: 'cpus-per-task', numeric: true, hint: '1' },
  { option: 'gpus', hint: 'a100:2' },
  { option: 'mem', hint: '8G' },
  { option: 'time', hint: '2:00:00' },
  { option: 'array', hint: '0-9' },
];

export function ScriptFields({ script, onChange }: Props) {
  const { t } = useTranslation();
  const pools = useQuery(poolsQuery).data?.items ?? [];
  // On a phone the quote is what one wants to reach.
  const [open, setOpen] = useState(!usePhone());
  return (
    <details className="fold" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t('fields.title')}</summary>
      <div className="script-fields">
        {TEXTS.map(({ option, numeric, hint }) => (
          <label key={option}>
            <span>{t(`fields.${option}`)}</span>
            <Input
              value={optionOf(script, option)}
              placeholder={hint}
              maxLength={100}
              inputMode={numeric ? 'numeric' : 'text'}
              spellCheck={false}
              autoCapitalize="none"
              onChange={(event) => onChange(withOption(script, option, event.target.value.trimStart()))}
            />
          </label>
        ))}
        <label>
          <span>{t('fields.partition')}</span>
          <Select
            aria-label={t('fields.partition')}
            value={optionOf(script, 'partition')}
            options={[{ value: '', label: t('fields.anyPool') }, ...pools.map((pool) => ({ value: pool.name, label: pool.name }))]}
            onChange={(value) => onChange(withOption(script, 'partition', value))}
          />
        </label>
      </div>
      <p className="faint">{t('fields.note')}</p>
    </details>
  );
}

/** Jobs of the last page that one looks at as patterns: one of each name. */
export function Templates({ from }: { from: string | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const navigate = useNavigate();
  const me = useQuery(sessionQuery).data?.user;
  const [open, setOpen] = useState(false);
  const jobs = useQuery({ ...jobsQuery({ user: me?.id, limit: 200 }), enabled: open && Boolean(me) });
  const options = useMemo(() => {
    const seen = new Set<string>();
    return (jobs.data?.items ?? [])
      .filter((job) => !seen.has(job.name) && seen.add(job.name))
      .map((job) => ({ value: label(job), label: `${job.name} · ${label(job)} · ${format.day(job.submitted_at)}` }));
  }, [jobs.data, format]);
  return (
    <Select
      showSearch={{ optionFilterProp: 'label' }}
      size="small"
      className="templates"
      aria-label={t('submit.template')}
      placeholder={t('submit.template')}
      value={from && options.some((one) => one.value === from) ? from : null}
      options={options}
      loading={jobs.isFetching}
      notFoundContent={jobs.isFetching ? t('common.loading') : t('submit.templateNone')}
      popupMatchSelectWidth={false}
      onOpenChange={(now) => now && setOpen(true)}
      onChange={(value) => void navigate({ to: '/submit', search: (before) => ({ ...before, from: value }) })}
    />
  );
}
