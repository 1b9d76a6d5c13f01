// The list as a file: page after page is asked for, up to a bound, with how far it is; one may stop it.
import { Button } from 'antd';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { asProblem } from '../api/problem';
import type { JobFilter } from '../api/queries';
import type { JobSummary } from '../api/types';
import { csv } from '../lib/csv';
import { label, phases } from '../lib/jobs';
import { useFormat } from '../ui/hooks';

const PAGE = 1000;
/** Jobs of one file: what a spreadsheet still opens at once; 100 requests. */
const JOBS_MAX = 100_000;

const HEAD = ['job', 'name', 'state', 'user', 'project', 'pool', 'nodes', 'cores', 'memory_bytes', 'cards', 'submitted_at', 'started_at', 'ended_at', 'run_seconds', 'exit_code', 'charged', 'currency', 'id'];

const row = (job: JobSummary): (string | number | null | undefined)[] => [
  label(job), job.name, job.state, job.user_name, job.project_name, job.pool_name, job.requested.nodes, job.requested.cpu_millis / 1000, job.requested.memory_bytes, job.requested.gpus,
  job.submitted_at, job.started_at, job.ended_at, job.ended_at ? phases(job, 0).runSeconds : undefined, job.exit?.code, job.charged, job.currency, job.id,
];

export function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function Export({ filter }: { filter: JobFilter }) {
  const { t } = useTranslation();
  const format = useFormat();
  const [count, setCount] = useState<number>();
  const [told, setTold] = useState('');
  const control = useRef<AbortController>(undefined);
  const run = async () => {
    const { signal } = (control.current = new AbortController());
    setTold('');
    setCount(0);
    const rows: (string | number | null | undefined)[][] = [HEAD];
    try {
      let cursor: string | undefined;
      do {
        const query = Object.fromEntries(Object.entries({ ...filter, limit: PAGE, cursor }).filter(([, value]) => value !== undefined));
        const page = await unwrap(api.GET('/v1/jobs', { params: { query }, signal }));
        rows.push(...page.items.map(row));
        cursor = page.next_cursor ?? undefined;
        setCount(rows.length - 1);
      } while (cursor && rows.length <= JOBS_MAX);
      // Spreadsheets take a text for UTF-8 by its mark.
      save('jobs.csv', 'text/csv', `\uFEFF${csv(rows)}`);
      if (cursor) setTold(t('jobs.exportBound', { count: rows.length - 1 }));
    } catch (error) {
      if (!signal.aborted) setTold(t(`error.${asProblem(error).code}`, { defaultValue: asProblem(error).detail }));
    }
    setCount(undefined);
  };
  return (
    <span className="export">
      {count === undefined ? (
        <Button size="small" onClick={() => void run()}>
          {t('jobs.export')}
        </Button>
      ) : (
        <Button size="small" onClick={() => control.current?.abort()}>
          {t('jobs.exportStop', { count, n: format.number(count) })}
        </Button>
      )}
      {told && <span role="status">{told}</span>}
    </span>
  );
}
