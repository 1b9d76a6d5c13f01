// The list of jobs: filtered and paged by the server, its view in the address, its states live.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Button, Input } from 'antd';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { type JobFilter, jobsQuery } from '../api/queries';
import type { JobsSearch } from '../app/router';
import { CLASSES, SORTS, viewNames, VIEWS } from '../lib/jobs';
import { forgetView, hiddenColumns, hideColumns, sameSearch, savedViews, type SavedView, saveView, VIEW_NAME_MAX } from '../lib/saved';
import { ArrayGrid } from '../ui/array-grid';
import { useTitle } from '../ui/hooks';
import { BackIcon, NextIcon } from '../ui/icons';
import { Empty, ErrorNote, Loading, PageHead, Section } from '../ui/parts';
import { BulkBar } from './jobs-bulk';
import { Export } from './jobs-export';
import { Columns, JobTable } from './jobs-table';

const route = getRouteApi('/shell/jobs');

/** The reader's days as moments: from the beginning of the first up to the end of the last. */
function times({ since, until }: JobsSearch): JobFilter {
  const at = (day: string, days: number) => {
    const [year, month, date] = day.split('-').map(Number) as [number, number, number];
    return new Date(year, month - 1, date + days).toISOString();
  };
  return { submitted_after: since && at(since, 0), submitted_before: until && at(until, 1) };
}

export function JobsPage() {
  const { t } = useTranslation();
  useTitle(t('jobs.title'));
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const { view, since, until, cursor, ...named } = search;
  const { name, ...exact } = named;
  const filter: JobFilter = { ...VIEWS[view ?? 'all'], ...exact, name_prefix: name, ...times(search) };
  const jobs = useQuery(jobsQuery({ ...filter, cursor }));
  const { sort: _sort, order: _order, ...narrowing } = named;
  const filtered = Boolean(view ?? since ?? until ?? Object.values(narrowing).find(Boolean));
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [hidden, setHidden] = useState(hiddenColumns);
  // What was chosen on another page or in another view is not seen any more.
  const address = JSON.stringify(search);
  useEffect(() => setChosen(new Set()), [address]);
  const items = jobs.data?.items;

  return (
    <>
      <PageHead title={t('jobs.title')}>
        <Link to="/submit" className="button button-primary">
          {t('nav.submitJob')}
        </Link>
      </PageHead>
      <div className="views-line">
        <Views search={search} />
        <span className="list-tools">
          <Export filter={filter} />
          <Columns
            hidden={hidden}
            onChange={(names) => {
              hideColumns(names);
              setHidden(names);
            }}
          />
        </span>
      </div>
      <Filters search={search} />
      {search.array && (
        <div className="array-panel">
          <Section title={`${t('job.array')} ${search.array}`}>
            <ArrayGrid array={search.array} />
          </Section>
        </div>
      )}
      <Section flush>
        {jobs.error && !items ? (
          <ErrorNote error={jobs.error} onRetry={() => void jobs.refetch()} />
        ) : !items ? (
          <Loading lines={8} />
        ) : items.length === 0 ? (
          <Nothing filtered={filtered} />
        ) : (
          <div className={jobs.isPlaceholderData ? 'is-stale' : undefined}>
            <JobTable jobs={items} hidden={hidden} chosen={chosen} onChoose={setChosen} sort={search} onSort={(sort) => void navigate({ search: { ...search, ...sort, cursor: undefined } })} />
          </div>
        )}
      </Section>
      <BulkBar jobs={items?.filter((job) => chosen.has(job.id)) ?? []} all={items && chosen.size === items.length && jobs.data?.next_cursor ? filter : undefined} onDone={() => setChosen(new Set())} />
      <Pager search={search} next={jobs.data?.next_cursor ?? undefined} />
    </>
  );
}

function Views({ search }: { search: JobsSearch }) {
  const { t } = useTranslation();
  const [saved, setSaved] = useState(savedViews);
  const own = saved.find((one) => sameSearch(one.search, { ...search }));
  const current = own ? undefined : (search.view ?? 'all');
  return (
    <>
      <nav className="views" aria-label={t('jobs.views')}>
        {viewNames.map((name) => (
          <Link
            key={name}
            to="/jobs"
            search={{ ...search, view: name === 'all' ? undefined : name, cursor: undefined }}
            className={name === current ? 'view is-active' : 'view'}
            aria-current={name === current ? 'true' : undefined}
          >
            {t(`jobs.view.${name}`)}
          </Link>
        ))}
        {saved.map((one) => (
          <Link key={one.name} to="/jobs" search={one.search} className={one === own ? 'view view-own is-active' : 'view view-own'} aria-current={one === own ? 'true' : undefined}>
            {one.name}
          </Link>
        ))}
      </nav>
      {own ? (
        <Button size="small" type="text" onClick={() => setSaved(forgetView(own.name))}>
          {t('jobs.forget')}
        </Button>
      ) : (
        <SaveView search={search} onSaved={setSaved} />
      )}
    </>
  );
}

/** A name for the present view and filters; there is something to name once there is a filter. */
function SaveView({ search, onSaved }: { search: JobsSearch; onSaved: (views: SavedView[]) => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState<string>();
  const { cursor: _, ...kept } = search;
  if (Object.values(kept).every((value) => value === undefined)) return null;
  if (name === undefined) {
    return (
      <Button size="small" type="text" onClick={() => setName('')}>
        {t('jobs.save')}
      </Button>
    );
  }
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim() === '') return setName(undefined);
    onSaved(saveView({ name: name.trim(), search: Object.fromEntries(Object.entries(kept).filter((pair): pair is [string, string] => typeof pair[1] === 'string')) }));
    setName(undefined);
  };
  return (
    <form className="save-view" onSubmit={save}>
      <Input size="small" autoFocus value={name} maxLength={VIEW_NAME_MAX} aria-label={t('jobs.saveName')} placeholder={t('jobs.saveName')} onChange={(event) => setName(event.target.value)} onKeyDown={(event) => event.key === 'Escape' && setName(undefined)} />
      <Button size="small" htmlType="submit">
        {t('jobs.save')}
      </Button>
    </form>
  );
}

const FILTER_NAMES = ['name', 'user', 'pool', 'project'] as const;
type FilterName = (typeof FILTER_NAMES)[number];

function Filters({ search }: { search: JobsSearch }) {
  const { t } = useTranslation();
  const navigate = route.useNavigate();
  const [draft, setDraft] = useState<Pick<JobsSearch, FilterName>>(search);
  // Back, forward and links change the address under the fields; what is being typed into another stays.
  const before = useRef(search);
  useEffect(() => {
    const changed = FILTER_NAMES.filter((name) => before.current[name] !== search[name]);
    before.current = search;
    setDraft((typed) => ({ ...typed, ...Object.fromEntries(changed.map((name) => [name, search[name]])) }));
  }, [search]);
  const apply = (event: FormEvent) => {
    event.preventDefault();
    const trimmed = Object.fromEntries(FILTER_NAMES.map((name) => [name, draft[name]?.trim() || undefined]));
    void navigate({ search: { ...search, ...trimmed, cursor: undefined } });
  };
  const field = (name: FilterName, placeholder: string) => (
    <Input
      value={draft[name] ?? ''}
      onChange={(event) => setDraft({ ...draft, [name]: event.target.value })}
      onBlur={apply}
      placeholder={placeholder}
      aria-label={placeholder}
      allowClear
      maxLength={200}
      spellCheck={false}
      autoCapitalize="none"
    />
  );
  const date = (name: 'since' | 'until', words: string) => (
    <label className="date">
      <span className="faint">{words}</span>
      <input
        type="date"
        value={search[name] ?? ''}
        max="9999-12-31"
        onChange={(event) => void navigate({ search: { ...search, [name]: event.target.value || undefined, cursor: undefined } })}
      />
    </label>
  );
  const any = search.class ?? search.since ?? search.until ?? search.project ?? search.name ?? search.user ?? search.pool ?? search.array;
  return (
    <form className="filters" onSubmit={apply} role="search" aria-label={t('jobs.title')}>
      {field('name', t('jobs.filterName'))}
      {field('user', t('jobs.filterUser'))}
      {field('pool', t('jobs.filterPool'))}
      {field('project', t('job.project'))}
      <label className="date">
        <span className="faint">{t('jobs.class')}</span>
        <select className="field" value={search.class ?? ''} onChange={(event) => void navigate({ search: { ...search, class: CLASSES.find((name) => name === event.target.value), cursor: undefined } })}>
          <option value="">{t('jobs.anyClass')}</option>
          {CLASSES.map((name) => (
            <option key={name} value={name}>
              {t(`class.${name}`)}
            </option>
          ))}
        </select>
      </label>
      <label className="date sort-phone">
        <span className="faint">{t('jobs.sort')}</span>
        <select className="field" value={search.sort ?? ''} onChange={(event) => void navigate({ search: { ...search, sort: SORTS.find((name) => name === event.target.value), order: undefined, cursor: undefined } })}>
          <option value="">{t('jobs.newest')}</option>
          {SORTS.filter((name) => name !== 'number').map((name) => (
            <option key={name} value={name}>
              {t(`jobs.sorts.${name}`)}
            </option>
          ))}
        </select>
      </label>
      {date('since', t('jobs.since'))}
      {date('until', t('jobs.until'))}
      {search.array && <span className="chip">{`${t('job.array')} ${search.array}`}</span>}
      {any && (
        <Link to="/jobs" search={{ view: search.view, sort: search.sort, order: search.order }} className="filters-clear">
          {t('jobs.filterClear')}
        </Link>
      )}
      <button type="submit" hidden />
    </form>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  const { t } = useTranslation();
  if (filtered) {
    return (
      <Empty title={t('jobs.emptyFilteredTitle')}>
        <p>{t('jobs.emptyFilteredText')}</p>
        <Link to="/jobs">{t('jobs.filterClear')}</Link>
      </Empty>
    );
  }
  return (
    <Empty title={t('home.emptyTitle')}>
      <p>{t('home.emptyText')}</p>
      <Link to="/submit" className="button button-primary">
        {t('nav.submitJob')}
      </Link>
    </Empty>
  );
}

/** Cursors lead onward only; the way back is the browser's, and the newest page is always one step away. */
function Pager({ search, next }: { search: JobsSearch; next: string | undefined }) {
  const { t } = useTranslation();
  if (!next && !search.cursor) return null;
  return (
    <div className="pager">
      {search.cursor && (
        <>
          <Link to="/jobs" search={{ ...search, cursor: undefined }} className="button">
            {search.sort ? t('jobs.first') : t('jobs.newest')}
          </Link>
          <Button icon={<BackIcon />} onClick={() => window.history.back()}>
            {search.sort ? t('jobs.before') : t('jobs.newer')}
          </Button>
          {!search.sort && <span className="faint">{t('jobs.olderPage')}</span>}
        </>
      )}
      {next && (
        <Link to="/jobs" search={{ ...search, cursor: next }} className="button pager-next">
          {search.sort ? t('jobs.next') : t('jobs.older')}
          <NextIcon />
        </Link>
      )}
    </div>
  );
}
