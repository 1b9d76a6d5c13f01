// Stacked bars over stretches of time, drawn with boxes. Knows heights and words; the numbers stand in a table beside it.
import { part } from '../lib/decimal';
import { roundUp } from '../lib/spend';

/** Colours there are for parts; further parts are gathered before they come here. */
export const SERIES = 6;

export interface BarsProps {
  label: string;
  stretches: readonly { key: string; short: string; full: string }[];
  series: readonly { name: string; each: readonly bigint[] }[];
  /** Millionths as people read them, short. */
  print: (value: bigint) => string;
}

export function Bars({ label, stretches, series, print }: BarsProps) {
  const sums = stretches.map((_, at) => series.reduce((total, one) => total + (one.each[at] ?? 0n), 0n));
  const end = roundUp(sums.reduce((most, value) => (value > most ? value : most), 0n));
  return (
    <figure className="bars" role="img" aria-label={label}>
      <div className="bars-axis" aria-hidden="true">
        <span>{print(end)}</span>
        <span>{print(end / 2n)}</span>
        <span>{print(0n)}</span>
      </div>
      <div className="bars-field" aria-hidden="true">
        {stretches.map((stretch, at) => (
          <div key={stretch.key} className="bars-column" title={`${stretch.full}: ${print(sums[at] ?? 0n)}`}>
            <div className="bars-stack">
              {series.map((one, i) => {
                const height = part(one.each[at] ?? 0n, end);
                return height > 0 && <span key={one.name} className={`series-${i}`} style={{ height: `${height * 100}%` }} />;
              })}
            </div>
            <span className="bars-label">{stretch.short}</span>
          </div>
        ))}
      </div>
    </figure>
  );
}

/** The colour of a part, beside its name. */
export const Swatch = ({ at }: { at: number }) => <span className={`swatch series-${at}`} aria-hidden="true" />;
