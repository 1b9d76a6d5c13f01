// The tenant's file space: folders of a project, files brought in and taken away; jobs name them as their inputs.
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { App, Button, Popconfirm, Select } from 'antd';
import { useTranslation } from 'react-i18next';

import { projectsQuery } from '../api/account';
import { api, unwrap } from '../api/client';
import { spaceQuery, spaceUrl } from '../api/files';
import { ApiProblem, asProblem } from '../api/problem';
import type { FileEntry } from '../api/types';
import { useFormat, useNow, useTitle } from '../ui/hooks';
import { Empty, ErrorNote, Loading, PageHead, Section } from '../ui/parts';
import { type Column, DataTable } from '../ui/table';
import { Bring } from './files-bring';
import { useMe } from './money/frame';

const route = getRouteApi('/shell/files');
const nameOf = (path: string) => path.replace(/\/$/, '').replace(/^.*\//, '');

export function FilesPage() {
  const { t } = useTranslation();
  useTitle(t('space.title'));
  const { project = '', path = '' } = route.useSearch();
  const navigate = route.useNavigate();
  const me = useMe();
  const projects = useQuery(projectsQuery(me?.tenant ?? '')).data?.items ?? [];
  const files = useInfiniteQuery(spaceQuery(project, path));
  const items = files.data?.pages.flatMap((page) => page.items);
  const missing = files.error instanceof ApiProblem && files.error.status === 404;
  return (
    <>
      <PageHead title={t('space.title')} />
      <div className="space-tools">
        <Select
          className="space-project"
          aria-label={t('job.project')}
          value={project || me?.project_name}
          options={projects.map((one) => ({ value: one.name, label: one.name }))}
          onChange={(name) => void navigate({ search: { project: name === me?.project_name ? undefined : name } })}
        />
        <Trail path={path} project={project} />
        <Bring project={project} folder={path} />
      </div>
      <Section flush>
        {files.error && !items && !missing ? (
          <ErrorNote error={files.error} onRetry={() => void files.refetch()} />
        ) : !items && !missing ? (
          <Loading lines={4} />
        ) : !items?.length ? (
          <Empty title={t('space.noneTitle')}>
            <p>{t('space.noneText')}</p>
          </Empty>
        ) : (
          <SpaceTable files={items} project={project} />
        )}
      </Section>
      {files.hasNextPage && (
        <div className="pager">
          <Button loading={files.isFetchingNextPage} onClick={() => void files.fetchNextPage()}>
            {t('files.more')}
          </Button>
        </div>
      )}
    </>
  );
}

function Trail({ path, project }: { path: string; project: string }) {
  const { t } = useTranslation();
  const parts = path.split('/').filter(Boolean);
  return (
    <nav className="trail trail-bare" aria-label={t('files.where')}>
      <Link to="/files" search={{ project: project || undefined }}>
        {t('space.top')}
      </Link>
      {parts.map((part, i) => (
        <Link key={part + String(i)} to="/files" search={{ project: project || undefined, path: parts.slice(0, i + 1).join('/') }}>
          {part}
        </Link>
      ))}
    </nav>
  );
}

function SpaceTable({ files, project }: { files: FileEntry[]; project: string }) {
  const { t } = useTranslation();
  const format = useFormat();
  const now = useNow(60_000);
  const columns: Column<FileEntry>[] = [
    {
      key: 'name',
      title: t('files.name'),
      card: 'head',
      cell: (one) =>
        one.kind === 'folder' ? (
          <Link to="/files" search={{ project: project || undefined, path: one.path.replace(/\/$/, '') }}>{`${nameOf(one.path)}/`}</Link>
        ) : (
          <a href={spaceUrl(project, one.path)} download={nameOf(one.path)}>
            {nameOf(one.path)}
          </a>
        ),
    },
    { key: 'size', title: t('files.size'), align: 'right', cell: (one) => one.kind === 'file' && format.bytes(one.size) },
    { key: 'at', title: t('files.changed'), align: 'right', cell: (one) => one.modified_at && <time title={format.fullTime(one.modified_at)}>{format.time(one.modified_at, now)}</time> },
    { key: 'act', title: t('token.act'), align: 'right', card: 'head-end', cell: (one) => <Remove file={one} project={project} /> },
  ];
  return <DataTable caption={t('space.title')} columns={columns} rows={files} rowKey={(one) => one.path} />;
}

function Remove({ file, project }: { file: FileEntry; project: string }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { message } = App.useApp();
  const folder = file.kind === 'folder';
  const remove = useMutation({
    mutationFn: () => unwrap(api.DELETE('/v1/files', { params: { query: { path: file.path.replace(/\/$/, ''), ...(project && { project }), ...(folder && { recursive: true }) } } })),
    onError: (error) => void message.error(t(`error.${asProblem(error).code}`, { defaultValue: asProblem(error).detail })),
    onSettled: () => client.invalidateQueries({ queryKey: ['files'] }),
  });
  return (
    <Popconfirm
      title={folder ? t('space.removeFolderAsk', { name: nameOf(file.path) }) : t('space.removeAsk', { name: nameOf(file.path) })}
      okText={t('budget.remove')}
      cancelText={t('job.cancelKeep')}
      okButtonProps={{ danger: true }}
      placement="left"
      onConfirm={() => remove.mutate()}
    >
      <Button size="small" type="text" danger loading={remove.isPending} aria-label={t('space.removeOne', { name: nameOf(file.path) })}>
        {t('budget.remove')}
      </Button>
    </Popconfirm>
  );
}
