// Choices that several forms offer, from what the API lists.
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';

import type { Option } from './parts';
import { ALL, q } from './queries';

export function useTenantOptions(): Option[] {
  return (useQuery(q.tenants(undefined, ALL)).data?.items ?? []).map((tenant) => ({ value: tenant.name, label: tenant.name }));
}

export function useChipOptions(none: string): Option[] {
  const chips = [...new Set((useQuery(q.pools).data?.items ?? []).flatMap((pool) => (pool.chip ? [pool.chip] : [])))].sort();
  return [{ value: '', label: none }, ...chips.map((chip) => ({ value: chip, label: chip }))];
}

export const TIERS = ['on_demand', 'short_term', 'long_term'] as const;
export type Tier = (typeof TIERS)[number];

export function useTierOptions(): Option[] {
  const { t } = useTranslation();
  return TIERS.map((value) => ({ value, label: t(`opPeople.tier.${value}`) }));
}
