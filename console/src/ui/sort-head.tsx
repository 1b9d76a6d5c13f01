// Headings that sort: a press puts the greatest first, another the least, a third leaves the list as it was.
import { useTranslation } from 'react-i18next';

import { nextSort } from '../lib/jobs';
import type { Column } from './table';

export interface Sorting<S extends string> {
  sort?: S | undefined;
  order?: 'asc' | undefined;
}

/** Head and mark of a column for its sort. */
export function useSortHead<S extends string>(now: Sorting<S>, onSort: (sort: Sorting<S>) => void) {
  const { t } = useTranslation();
  return (sort: S, title: string): Pick<Column<unknown>, 'head' | 'sorted'> => {
    const current = now.sort === sort;
    return {
      sorted: current ? (now.order ? 'ascending' : 'descending') : undefined,
      head: (
        <button type="button" className={current ? 'sort-head is-sorted' : 'sort-head'} title={t('jobs.sortBy', { title })} onClick={() => onSort(nextSort(now, sort))}>
          {title}
          <span className="sort-mark" aria-hidden="true">
            {current && now.order ? '▲' : '▼'}
          </span>
        </button>
      ),
    };
  };
}
