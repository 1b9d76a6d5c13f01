// The map of sites: land as dots, each site with its load as a ring and its health as a shape, links as arcs. Land shapes only, no borders.
import { Link } from '@tanstack/react-router';
import { memo, useMemo } from 'react';
import { useTranslation } from 'react-i18next';

import type { Pool } from '../api/types';
import { useFormat, usePhone } from '../ui/hooks';
import { useAddress } from './address';
import { dots, type Point, type View } from './land';
import { standsAt } from './place';
import { placeOf, viewOf, WORLD } from './places';
import type { Link as Way } from './policy-text';
import type { Schemas } from './queries';
import { load } from './standing';

export interface MapSite {
  /** Name of the cluster, which is what people call it. */
  name: string;
  site: string;
  mode: 'own' | 'partner';
  at?: Point | undefined;
  load: number;
  cards: number;
  cores: number;
  health: 'good' | 'wait' | 'bad';
}

/** Clusters that have pools, as places with their load; cards count where there are any. */
export function mapSites(clusters: readonly Schemas['Cluster'][], pools: readonly Pool[]): MapSite[] {
  return clusters
    .filter((cluster) => cluster.service !== 'retired' && pools.some((pool) => pool.cluster === cluster.id))
    .map((cluster) => {
      const mine = pools.filter((pool) => pool.cluster === cluster.id);
      const weighed = mine.map((pool) => [load(pool), pool.total.gpus > 0 ? pool.total.gpus * 8 : pool.total.cpu_millis / 1000] as const);
      const weight = weighed.reduce((sum, [, w]) => sum + w, 0);
      const hurt = mine.some((pool) => pool.nodes_up < pool.nodes_total) || cluster.service === 'testing';
      return {
        name: cluster.name,
        site: cluster.site,
        mode: mine[0]?.mode ?? 'partner',
        at: standsAt(cluster, clusters),
        load: weight === 0 ? 0 : weighed.reduce((sum, [l, w]) => sum + l * w, 0) / weight,
        cards: mine.reduce((sum, pool) => sum + pool.total.gpus, 0),
        cores: mine.reduce((sum, pool) => sum + pool.total.cpu_millis / 1000, 0),
        health: cluster.health === 'unreachable' ? 'bad' : hurt ? 'wait' : 'good',
      };
    });
}

/** Units of the drawing in one degree; north is drawn a little longer than east, as maps of the middle latitudes are. */
const DEGREE = 10;
const TALL = 1.2;
const at = ([east, north]: Point): [number, number] => [east * DEGREE, -north * DEGREE * TALL];

export function SiteMap({ sites, links }: { sites: readonly MapSite[]; links: readonly Way[] }) {
  const { t } = useTranslation();
  const phone = usePhone();
  const [search, change] = useAddress();
  const known = sites.filter((site): site is MapSite & { at: Point } => site.at !== undefined);
  const elsewhere = sites.filter((site) => site.at === undefined);
  const ends = links.flatMap(({ a, b }) => [endOf(a, known), endOf(b, known)]).filter((end) => end !== undefined);
  const fitting = viewOf([...known.map((site) => site.at), ...ends]);
  const view = search.map === 'world' ? WORLD : fitting;
  return (
    <div className="map">
      <Picture sites={known} links={links} view={view} phone={phone} />
      {fitting !== WORLD && (
        <button type="button" className="button map-zoom" onClick={() => change({ map: search.map === 'world' ? undefined : 'world' })}>
          {search.map === 'world' ? t('op.map.sites') : t('op.map.world')}
        </button>
      )}
      {links.length > 0 && <WayList links={links} />}
      {elsewhere.length > 0 && (
        <div className="map-row">
          <span className="faint">{t('op.map.elsewhere')}</span>
          {elsewhere.map((site) => (
            <Link key={site.name} to="/operate/clusters/$cluster" params={{ cluster: site.name }} className={`map-chip map-${site.health}`}>
              {site.name} <SiteWords site={site} />
            </Link>
          ))}
          <span className="faint">{t('op.map.say')}</span>
        </div>
      )}
    </div>
  );
}

function SiteWords({ site }: { site: MapSite }) {
  const format = useFormat();
  return <strong>{`${format.number(site.load * 100, 0)} %`}</strong>;
}

const Land = memo(function Land({ view, step }: { view: View; step: number }) {
  const path = useMemo(() => dots(view, step).map((dot) => { const [x, y] = at(dot); return `M${x.toFixed(0)} ${y.toFixed(0)}h0`; }).join(''), [view.west, view.east, view.south, view.north, step]);
  return <path className="map-land" d={path} strokeWidth={step * DEGREE * 0.52} />;
});

interface PictureProps {
  sites: readonly (MapSite & { at: Point })[];
  links: readonly Way[];
  view: View;
  phone: boolean;
}

function Picture({ sites, links, view, phone }: PictureProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const [left, top] = at([view.west, view.north]);
  const [right, bottom] = at([view.east, view.south]);
  const width = right - left;
  // Sizes are told in hundredths of the picture's width, so that it looks alike however far it looks.
  const unit = (width / 100) * (phone ? 1.9 : 1);
  const words = sites.map((site) => `${site.name}: ${format.number(site.load * 100, 0)} %`).join(', ');
  return (
    <svg className="map-picture" viewBox={`${left} ${top} ${width} ${bottom - top}`} role="img" aria-label={t('op.map.label', { sites: words })}>
      <Land view={view} step={(view.east - view.west) / 120} />
      <Ways links={links} sites={sites} unit={unit} words={!phone} />
      {placeLabels(sites, unit, left, right).map(({ site, x, y, right: onRight, lift }) => (
        <Spot key={site.name} site={site} x={x} y={y} unit={unit} onRight={onRight} lift={lift} />
      ))}
    </svg>
  );
}

interface Label {
  site: MapSite;
  x: number;
  y: number;
  right: boolean;
  lift: number;
}

/** Labels stand to the right, to the left where another site's is in the way, and are lifted or lowered where both are. */
function placeLabels(sites: readonly (MapSite & { at: Point })[], unit: number, left: number, right: number): Label[] {
  const taken: { x1: number; x2: number; y: number }[] = sites.map((site) => { const [x, y] = at(site.at); return { x1: x - 1.2 * unit, x2: x + 1.2 * unit, y }; });
  return [...sites]
    .sort((a, b) => b.at[1] - a.at[1] || a.name.localeCompare(b.name))
    .map((site) => {
      const [x, y] = at(site.at);
      const long = (site.name.length * 1.1 + 7.5) * unit;
      const tries = [0, 2.6, -2.6, 5.2, -5.2, 7.8, -7.8].flatMap((lift) => [true, false].map((right) => ({ right, lift: lift * unit })));
      const box = (way: { right: boolean; lift: number }) => ({ x1: way.right ? x + 1.4 * unit : x - long, x2: way.right ? x + long : x - 1.4 * unit, y: y + way.lift });
      const free = tries.find((way) => {
        const mine = box(way);
        return mine.x1 > left && mine.x2 < right && !taken.some((other) => Math.abs(other.y - mine.y) < 2.4 * unit && mine.x1 < other.x2 && mine.x2 > other.x1);
      }) ?? { right: x < (left + right) / 2, lift: 0 };
      taken.push(box(free));
      return { site, x, y, ...free };
    });
}

/** Where an end of a link stands: at the site or cluster of that name, or where the name says. */
const endOf = (name: string, sites: PictureProps['sites']): Point | undefined => sites.find((site) => site.site === name || site.name === name)?.at ?? placeOf(name);

/** A phone has no room for words on lines, nor has a short line; the list below has them all. */
function Ways({ links, sites, unit, words }: { links: readonly Way[]; sites: PictureProps['sites']; unit: number; words: boolean }) {
  const figures = useFigures();
  const drawn = links.flatMap((link) => {
    const [a, b] = [endOf(link.a, sites), endOf(link.b, sites)];
    if (!a || !b) return [];
    const [[x1, y1], [x2, y2]] = [at(a), at(b)];
    const long = Math.hypot(x2 - x1, y2 - y1);
    const figure = figures(link);
    return [{ link, figure, x1, y1, x2, y2, bow: long * 0.16, said: words && figure !== '' && long > figure.length * unit }];
  });
  return (
    <g className="map-ways">
      {drawn.map(({ link, figure, x1, y1, x2, y2, bow }) => (
        // One, ten, a hundred Gbit/s: a line half as thick again each.
        <path key={`${link.a} ${link.b}`} d={`M${x1} ${y1}Q${(x1 + x2) / 2} ${(y1 + y2) / 2 - bow} ${x2} ${y2}`} strokeWidth={unit * 0.16 * 1.5 ** Math.max(0, Math.log10((link.bandwidth ?? 1000) / 1000))}>
          <title>{[`${link.a} – ${link.b}`, figure].filter(Boolean).join(' · ')}</title>
        </path>
      ))}
      {drawn.filter(({ said }) => said).map(({ link, figure, x1, y1, x2, y2, bow }) => (
        <text key={`${link.a} ${link.b}`} className="map-way-word" x={(x1 + x2) / 2} y={(y1 + y2) / 2 - bow / 2 - unit * 0.9} fontSize={unit * 1.4} textAnchor="middle" strokeWidth={unit * 0.6}>
          {figure}
        </text>
      ))}
    </g>
  );
}

/** Bandwidth, latency and price of a link, as far as the policy says them. */
function useFigures() {
  const { t } = useTranslation();
  const format = useFormat();
  return ({ bandwidth, latency, price }: Way): string => {
    const wide = bandwidth !== undefined && (bandwidth >= 1000 ? t('op.map.gbit', { n: format.number(bandwidth / 1000) }) : t('op.map.mbit', { n: format.number(bandwidth) }));
    return [wide, latency, price && t('op.map.gib', { price })].filter(Boolean).join(' · ');
  };
}

/** Links with their figures as a list, also of places that are not on the map. */
function WayList({ links }: { links: readonly Way[] }) {
  const { t } = useTranslation();
  const figures = useFigures();
  return (
    <div className="map-row map-way-list">
      <span className="faint">{t('op.map.links')}</span>
      {links.map((link) => (
        <span key={`${link.a} ${link.b}`}>
          {`${link.a} – ${link.b}`} <span className="faint">{figures(link)}</span>
        </span>
      ))}
    </div>
  );
}

function Spot({ site, x, y, unit, onRight, lift }: { site: MapSite; x: number; y: number; unit: number; onRight: boolean; lift: number }) {
  const format = useFormat();
  const r = unit * 1.25;
  const round = 2 * Math.PI * r;
  const side = onRight ? 1 : -1;
  return (
    <g className={`map-site map-${site.health}`}>
      {lift !== 0 && <path className="map-leader" d={`M${x} ${y}L${x + side * unit * 1.8} ${y + lift}`} strokeWidth={unit * 0.14} />}
      <circle className="map-ground" cx={x} cy={y} r={r * 1.32} />
      <circle className="map-ring" cx={x} cy={y} r={r} strokeWidth={unit * 0.5} />
      <circle className="map-load" cx={x} cy={y} r={r} strokeWidth={unit * 0.5} strokeDasharray={`${round * site.load} ${round}`} transform={`rotate(-90 ${x} ${y})`} />
      {site.health === 'bad' ? (
        <path className="map-mark" d={`M${x - r * 0.4} ${y - r * 0.4}l${r * 0.8} ${r * 0.8}m0 ${-r * 0.8}l${-r * 0.8} ${r * 0.8}`} strokeWidth={unit * 0.34} />
      ) : (
        <circle className={site.mode === 'own' ? 'map-dot' : 'map-dot map-dot-open'} cx={x} cy={y} r={r * 0.42} strokeWidth={unit * 0.22} />
      )}
      <text className="map-word" x={x + side * unit * 2.1} y={y + lift + unit * 0.55} fontSize={unit * 1.7} textAnchor={onRight ? 'start' : 'end'} strokeWidth={unit * 0.6}>
        {site.name}
        <tspan className="map-number" dx={unit * 0.6}>{`${format.number(site.load * 100, 0)} %`}</tspan>
      </text>
    </g>
  );
}
