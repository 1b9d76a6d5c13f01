// How things stand, put together from what the API tells: use of pools by mode, the queue by class, what needs a person. Pure.
import type { JobSummary, Pool } from '../api/types';
import type { Schemas } from './queries';
import { isZero, sum } from './money';

export interface Use {
  mode: 'own' | 'partner';
  unit: 'cards' | 'cores';
  total: number;
  allocated: number;
  /** Share of nodes that are up, 0 to 1. */
  up: number;
}

/** What is allocated now: of cards, where a mode has any, and of cores. Pools whose room nobody knows (a stand-by server) count as free. */
export function uses(pools: readonly Pool[]): Use[] {
  return (['own', 'partner'] as const).flatMap((mode): Use[] => {
    const mine = pools.filter((pool) => pool.mode === mode && pool.cluster_service !== 'retired');
    if (mine.length === 0) return [];
    const nodes = mine.reduce((all, pool) => all + pool.nodes_total, 0);
    const up = nodes === 0 ? 0 : mine.reduce((all, pool) => all + pool.nodes_up, 0) / nodes;
    const units = mine.some((pool) => pool.total.gpus > 0) ? (['cards', 'cores'] as const) : (['cores'] as const);
    return units.map((unit) => {
      const of = (amounts: Schemas['Amounts']): number => (unit === 'cards' ? amounts.gpus : amounts.cpu_millis / 1000);
      const total = mine.reduce((all, pool) => all + of(pool.total), 0);
      const free = mine.reduce((all, pool) => all + of(pool.free ?? pool.total), 0);
      return { mode, unit, total, allocated: total - free, up };
    });
  });
}

/** Of own pools with cards, or else of all own ones: the share that is free, and the share that the reserve levels keep now, as the
 * server tells it pool by pool. Nothing where it tells none, and where nothing is kept. */
export function reserveOf(pools: readonly Pool[]): { free: number; target: number } | undefined {
  const own = pools.filter((pool) => pool.mode === 'own' && pool.cluster_service !== 'retired' && pool.reserved_nodes != null && pool.free);
  const [use] = uses(own);
  if (!use || use.total === 0) return undefined;
  const each = (pool: Pool): number => (use.unit === 'cards' ? pool.shape.gpus : pool.shape.cpu_millis / 1000);
  const kept = own.reduce((sum, pool) => sum + (pool.reserved_nodes ?? 0) * each(pool), 0);
  return kept === 0 ? undefined : { free: 1 - use.allocated / use.total, target: kept / use.total };
}

/** Share of a pool that is allocated: of its cards where it has any, else of its cores. */
export function load(pool: Pool): number {
  const pick = (amounts: Schemas['Amounts']) => (pool.total.gpus > 0 ? amounts.gpus : amounts.cpu_millis);
  const total = pick(pool.total);
  return total === 0 || !pool.free ? 0 : 1 - pick(pool.free) / total;
}

/** Share of a node that jobs on it were given, of its cards where it has any, else of its cores. */
export function nodeLoad(pool: Pick<Pool, 'shape'>, node: string, jobs: readonly JobSummary[]): number {
  const cards = pool.shape.gpus > 0;
  const whole = cards ? pool.shape.gpus : pool.shape.cpu_millis;
  const taken = jobs
    .filter((job) => job.nodes.includes(node))
    .reduce((sum, job) => sum + (cards ? job.requested.gpus : job.requested.cpu_millis) / Math.max(1, job.nodes.length), 0);
  return whole === 0 ? 0 : Math.min(1, taken / whole);
}

export const CLASSES = ['urgent', 'high', 'normal', 'low'] as const;

export interface QueueLine {
  class: (typeof CLASSES)[number];
  count: number;
  /** When the one that waits longest came, as RFC 3339. */
  oldest?: string | undefined;
}

export function queueByClass(jobs: readonly Schemas['JobSummary'][]): QueueLine[] {
  return CLASSES.map((name) => {
    const mine = jobs.filter((job) => job.class === name);
    return { class: name, count: mine.length, oldest: mine.map((job) => job.submitted_at).sort()[0] };
  });
}

export type Alarm =
  | { kind: 'unreachable' | 'silentSite'; name: string; cluster: string; at?: string | undefined }
  | { kind: 'nodesDown'; name: string; cluster: string; count: number }
  | { kind: 'findings'; name: string; cluster: string; count: number; text: string }
  | { kind: 'unpaidContract'; name: string; number: number }
  | { kind: 'overdue'; name: string; amount: string; currency: string }
  | { kind: 'disputed'; name: string; number: number; count: number };

export interface Told {
  clusters?: readonly Schemas['Cluster'][] | undefined;
  pools?: readonly Pool[] | undefined;
  sites?: readonly Schemas['Site'][] | undefined;
  reports?: readonly { cluster: string; report: Schemas['ClusterReport'] | undefined }[] | undefined;
  contracts?: readonly Schemas['Contract'][] | undefined;
  receivables?: readonly Schemas['Receivable'][] | undefined;
  settlements?: readonly Schemas['Settlement'][] | undefined;
}

/** What needs a person, the worst first. */
export function alarms(told: Told): Alarm[] {
  // Whoever was only invited, or was sent away, is not missed.
  const absent = new Set((told.sites ?? []).filter((site) => site.state === 'invited' || site.state === 'closed').map((site) => site.name));
  const serving = (told.clusters ?? []).filter((cluster) => cluster.service === 'in_service' && !absent.has(cluster.name));
  const out: Alarm[] = serving
    .filter((cluster) => cluster.health === 'unreachable')
    .map((cluster) => ({ kind: 'unreachable', name: cluster.name, cluster: cluster.name, at: cluster.last_contact ?? undefined }));
  const lost = new Set(out.map((alarm) => alarm.name));
  const inService = new Set(serving.map((cluster) => cluster.name));
  for (const site of told.sites ?? []) if (site.state === 'away' && !lost.has(site.cluster) && !lost.has(site.name)) out.push({ kind: 'silentSite', name: site.name, cluster: site.name, at: site.last_seen ?? undefined });
  for (const pool of told.pools ?? []) {
    const down = pool.nodes.filter((node) => node.state === 'down').length;
    if (down > 0 && !lost.has(pool.cluster_name)) out.push({ kind: 'nodesDown', name: pool.name, cluster: pool.cluster_name, count: down });
  }
  for (const { cluster, report } of told.reports ?? []) {
    const failed = (report?.findings ?? []).filter((finding) => finding.level === 'fail');
    if (failed[0] && inService.has(cluster)) out.push({ kind: 'findings', name: cluster, cluster, count: failed.length, text: failed[0].found });
  }
  for (const contract of told.contracts ?? []) if (contract.state === 'unpaid') out.push({ kind: 'unpaidContract', name: `${contract.tenant_name} · ${contract.name}`, number: contract.number });
  for (const row of told.receivables ?? []) {
    const late = sum([row.ages.up_to_60, row.ages.up_to_90, row.ages.over_90]);
    if (!isZero(late)) out.push({ kind: 'overdue', name: row.name, amount: late, currency: row.currency });
  }
  for (const settlement of told.settlements ?? []) if (settlement.state === 'open' && settlement.open > 0) out.push({ kind: 'disputed', name: settlement.supplier_name, number: settlement.number, count: settlement.open });
  return out;
}
