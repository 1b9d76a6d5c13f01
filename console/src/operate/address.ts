// What the operator's pages keep in their addresses, and who may open them.
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useQuery } from '@tanstack/react-query';

import { sessionQuery } from '../api/queries';

const KEYS = ['period', 'from', 'to', 'by', 'and', 'key', 'tab', 'only', 'q', 'tenant', 'cursor', 'pool', 'node', 'class', 'state', 'map', 'version', 'run', 'a', 'b', 'of', 'user', 'role'] as const;
export type OperateSearch = { [K in (typeof KEYS)[number]]?: string | undefined };

export const mayOperate = (role: string | undefined): boolean => role === 'operator' || role === 'auditor';

export function readSearch(search: Record<string, unknown>): OperateSearch {
  const known = KEYS.map((key) => [key, search[key]] as const).filter(([, value]) => typeof value === 'string' && value !== '');
  return Object.fromEntries(known) as OperateSearch;
}

/** What the address says, and a way to change some of it; a change begins the list anew unless it turns the page. */
export function useAddress(): [OperateSearch, (patch: OperateSearch) => void] {
  const search = useSearch({ from: '/shell/operate' });
  const navigate = useNavigate();
  const change = (patch: OperateSearch) => void navigate({ to: '.', search: { ...search, cursor: undefined, ...patch }, replace: 'q' in patch });
  return [search, change];
}

/** Auditors read; only operators change. */
export const useMayChange = (): boolean => useQuery(sessionQuery).data?.user.role === 'operator';
