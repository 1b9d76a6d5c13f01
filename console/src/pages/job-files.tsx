// Files of a job's work folder: folders to walk through, one file shown as text, picture, table or curves, and files that are put there.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Button } from 'antd';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';

import { beginningQuery, contentUrl, filesQuery, SHOWN_BYTES } from '../api/files';
import { ApiProblem } from '../api/problem';
import type { FileEntry, Job } from '../api/types';
import { bringToJob, WORK_FILE_MAX } from '../api/upload';
import { curvesOf, rowsOf } from '../lib/csv';
import { label } from '../lib/jobs';
import { SERIES } from '../ui/bars';
import { useFormat, useNow } from '../ui/hooks';
import { ErrorNote, Loading, Section } from '../ui/parts';
import { Plot } from '../ui/plot';
import { type Column, DataTable } from '../ui/table';
import { BringBar, dropOf, useBringing } from './files-bring';

const route = getRouteApi('/shell/jobs/$job');
const PICTURE = /\.(png|jpe?g|gif|webp|bmp)$/i;
const VALUES = /\.(csv|tsv|dat)$/i;
/** Pictures larger than this are downloaded instead. */
const PICTURE_BYTES_MAX = 32 * 1024 * 1024;
/** Rows read for curves, and rows shown of a table. */
const ROWS_MAX = 20_000;
const ROWS_SHOWN = 12;

const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);
const above = (path: string) => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export function Files({ job }: { job: Job }) {
  const { t } = useTranslation();
  const { dir = '', file } = route.useSearch();
  const files = useInfiniteQuery(filesQuery(job.id, dir));
  const items = files.data?.pages.flatMap((page) => page.items);
  const entry = items?.find((one) => one.path === file);
  const bringing = useBringing({
    send: (one, replace, signal, tell) => bringToJob(one, job.id, dir ? `${dir}/${one.name}` : one.name, replace, signal, tell),
    touched: ['job', job.id],
    most: WORK_FILE_MAX,
  });
  if (!job.started_at) return null;
  const gone = files.error instanceof ApiProblem && files.error.status === 404;
  return (
    <div {...dropOf(bringing)}>
      <Section title={t('files.title')} aside={!gone && <div className="bring"><BringBar bringing={bringing} small /></div>} flush>
        {dir && <Trail job={job} dir={dir} />}
        {gone ? (
          <p className="pad faint">{t('files.gone')}</p>
        ) : files.error && !items ? (
          <ErrorNote error={files.error} onRetry={() => void files.refetch()} />
        ) : !items ? (
          <Loading lines={3} />
        ) : items.length === 0 ? (
          <p className="pad faint">{t('files.none')}</p>
        ) : (
          <FileTable job={job} dir={dir} files={items} />
        )}
        {files.hasNextPage && (
          <div className="pad">
            <Button size="small" loading={files.isFetchingNextPage} onClick={() => void files.fetchNextPage()}>
              {t('files.more')}
            </Button>
          </div>
        )}
        {file && <View key={file} job={job} path={file} size={entry?.size} />}
      </Section>
    </div>
  );
}

function Trail({ job, dir }: { job: Job; dir: string }) {
  const { t } = useTranslation();
  const parts = dir.split('/');
  return (
    <nav className="trail" aria-label={t('files.where')}>
      <Link to="/jobs/$job" params={{ job: label(job) }} search={(before) => ({ ...before, dir: undefined, file: undefined })} resetScroll={false}>
        {t('files.top')}
      </Link>
      {parts.map((part, i) => {
        const path = parts.slice(0, i + 1).join('/');
        return (
          <Link key={path} to="/jobs/$job" params={{ job: label(job) }} search={(before) => ({ ...before, dir: path, file: undefined })} resetScroll={false}>
            {part}
          </Link>
        );
      })}
    </nav>
  );
}

function FileTable({ job, dir, files }: { job: Job; dir: string; files: FileEntry[] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(60_000);
  const { file } = route.useSearch();
  const columns: Column<FileEntry>[] = [
    {
      key: 'name',
      title: t('files.name'),
      card: 'head',
      cell: (one) => {
        const name = nameOf(one.path);
        if (one.kind === 'link' || one.kind === 'other') return <span className="faint">{`${name} (${t(`fileKind.${one.kind}`)})`}</span>;
        const folder = one.kind === 'folder';
        return (
          <Link
            to="/jobs/$job"
            params={{ job: label(job) }}
            search={(before) => ({ ...before, dir: (folder ? one.path : dir) || undefined, file: folder ? undefined : one.path === file ? undefined : one.path })}
            resetScroll={false}
            aria-current={one.path === file ? 'true' : undefined}
          >
            {folder ? `${name}/` : name}
          </Link>
        );
      },
    },
    { key: 'size', title: t('files.size'), align: 'right', cell: (one) => one.kind === 'file' && format.bytes(one.size) },
    { key: 'at', title: t('files.changed'), align: 'right', cell: (one) => one.modified_at && <time title={format.fullTime(one.modified_at)}>{format.time(one.modified_at, now)}</time> },
    {
      key: 'get',
      title: t('files.download'),
      align: 'right',
      card: 'head-end',
      cell: (one) =>
        one.kind === 'file' && (
          <a href={contentUrl(job.id, one.path)} download={nameOf(one.path)} aria-label={t('files.downloadOne', { name: nameOf(one.path) })}>
            {t('files.download')}
          </a>
        ),
    },
  ];
  return <DataTable caption={t('files.title')} columns={columns} rows={files} rowKey={(one) => one.path} rowClass={(one) => (one.path === file ? 'is-picked' : undefined)} />;
}

function View({ job, path, size }: { job: Job; path: string; size: number | undefined }) {
  const { t } = useTranslation();
  const name = nameOf(path);
  return (
    <div className="file-view" role="region" aria-label={name}>
      <header className="panel-head">
        <h3>{path}</h3>
        <Link to="/jobs/$job" params={{ job: label(job) }} search={(before) => ({ ...before, dir: above(path) || undefined, file: undefined })} resetScroll={false}>
          {t('common.close')}
        </Link>
      </header>
      {PICTURE.test(name) && (size ?? 0) <= PICTURE_BYTES_MAX ? <img src={contentUrl(job.id, path)} alt={name} /> : <Content job={job} path={path} size={size} />}
    </div>
  );
}

function Content({ job, path, size }: { job: Job; path: string; size: number | undefined }) {
  const { t } = useTranslation();
  const format = useFormat();
  const content = useQuery(beginningQuery(job.id, path));
  const text = content.data?.text ?? '';
  const values = VALUES.test(path);
  const rows = useMemo(() => (values ? rowsOf(text, ROWS_MAX) : []), [values, text]);
  const curves = useMemo(() => curvesOf(rows, SERIES), [rows]);
  if (content.error && !content.data) return <ErrorNote error={content.error} onRetry={() => void content.refetch()} />;
  if (!content.data) return <Loading lines={3} />;
  if (content.data.binary) return <p className="pad faint">{t('files.binary')}</p>;
  if (text === '') return <p className="pad faint">{t('files.empty')}</p>;
  return (
    <>
      {curves && <Plot curves={curves} name={nameOf(path)} />}
      {rows.length > 1 && <Rows rows={rows} />}
      {rows.length <= 1 && (
        <pre className="file-text mono" tabIndex={0}>
          {text}
        </pre>
      )}
      {(size ?? 0) > SHOWN_BYTES && <p className="pad faint">{t('files.beginning', { shown: format.bytes(SHOWN_BYTES), size: format.bytes(size ?? 0) })}</p>}
    </>
  );
}

function Rows({ rows }: { rows: string[][] }) {
  const { t } = useTranslation();
  const [head, ...body] = rows;
  return (
    <>
      <div className="table-scroll" tabIndex={0}>
        <table className="table table-values">
          <thead>
            <tr>
              {head?.map((name, i) => (
                <th key={i} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {body.slice(0, ROWS_SHOWN).map((row, i) => (
              <tr key={i}>
                {row.map((value, j) => (
                  <td key={j}>{value}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {body.length > ROWS_SHOWN && <p className="pad faint">{t('files.rows', { shown: ROWS_SHOWN, count: body.length })}</p>}
    </>
  );
}
