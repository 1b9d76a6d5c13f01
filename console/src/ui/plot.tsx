// Curves over one axis, drawn as lines; as wide as its place. Knows numbers and names, not where they come from.
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { type Curves, marks } from '../lib/csv';
import { Swatch } from './bars';
import { useFormat } from './hooks';

const HEIGHT = 260;
const EDGE = { left: 64, right: 16, top: 10, bottom: 28 };
/** Points drawn of a curve: about two per pixel of a wide screen; of more, every n-th. */
const POINTS_MAX = 3000;

function useWidth() {
  const place = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(640);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const watch = new ResizeObserver(([entry]) => entry && setWidth(Math.max(240, entry.contentRect.width)));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  return { place, width };
}

const bounds = (values: readonly (number | undefined)[]): [number, number] => {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value === undefined) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
};

/** `span`: bounds of the upright axis, so that plots beside each other can be compared; as the curves have it when left out. */
export function Plot({ curves: { x, curves }, name, span }: { curves: Curves; name: string; span?: readonly [number, number] }) {
  const { t } = useTranslation();
  const format = useFormat();
  const { place, width } = useWidth();
  const [x0, x1] = bounds(x.values);
  const [y0, y1] = span ?? bounds(curves.flatMap((curve) => curve.values));
  const px = (value: number) => EDGE.left + ((value - x0) / (x1 - x0)) * (width - EDGE.left - EDGE.right);
  const py = (value: number) => HEIGHT - EDGE.bottom - ((value - y0) / (y1 - y0)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const step = Math.max(1, Math.ceil(x.values.length / POINTS_MAX));
  const path = (values: readonly (number | undefined)[]) => {
    let pen = 'M';
    let text = '';
    for (let i = 0; i < values.length; i += step) {
      const value = values[i];
      if (value === undefined) {
        pen = 'M';
        continue;
      }
      text += `${pen}${px(x.values[i] as number).toFixed(1)} ${py(value).toFixed(1)}`;
      pen = 'L';
    }
    return text;
  };
  const short = (value: number) => (Math.abs(value) >= 1e6 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(1) : format.number(value, 4));
  return (
    <figure className="plot" ref={place} role="img" aria-label={t('files.plot', { name, curves: curves.map((curve) => curve.name).join(', ') })}>
      <svg width={width} height={HEIGHT} aria-hidden="true" focusable="false">
        {marks(y0, y1, 5).map((value) => (
          <g key={value}>
            <line x1={EDGE.left} x2={width - EDGE.right} y1={py(value)} y2={py(value)} className="plot-line" />
            <text x={EDGE.left - 8} y={py(value) + 4} textAnchor="end">
              {short(value)}
            </text>
          </g>
        ))}
        {marks(x0, x1, width < 480 ? 4 : 8).map((value) => (
          <text key={value} x={px(value)} y={HEIGHT - 8} textAnchor="middle">
            {short(value)}
          </text>
        ))}
        {curves.map((curve, i) => (
          <path key={curve.name} d={path(curve.values)} className="plot-curve" style={{ stroke: `var(--series-${i})` }} />
        ))}
      </svg>
      <figcaption>
        {curves.map((curve, i) => (
          <span key={curve.name} className="legend">
            <Swatch at={i} />
            {curve.name}
          </span>
        ))}
        {x.name && <span className="faint">{t('files.over', { name: x.name })}</span>}
      </figcaption>
    </figure>
  );
}
