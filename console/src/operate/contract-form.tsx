// The parts of a contract of which there may be several: what is committed, and what a month's fee includes.
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';

import { FieldLine, filled, type Values } from './form';
import { useChipOptions } from './pick';
import type { Schemas } from './queries';

/** As many as a contract may have in this form; each is a line of its statement. */
const PARTS_MAX = 12;
const CLASSES = ['low', 'normal', 'high', 'urgent'] as const;

/** What is committed, by the fields of each part: `unit0`, `size0` … */
export function commitmentsOf(values: Values): Schemas['Commitment'][] {
  return places(values, 'unit').flatMap((at) => {
    const own = (name: string) => values[`${name}${at}`] ?? '';
    const unit = own('unit') as Schemas['PriceUnit'] | '';
    if (!unit) return [];
    const size = own('size') ? (own('sort') === 'held' ? { held: Number(own('size')) } : { hours: Number(own('size')) }) : {};
    const named = filled({ chip: own('chip'), overage: own('overage'), class: own('class') }, 'chip', 'overage');
    const of = own('class') ? { class: own('class') as Schemas['PriorityClass'] } : {};
    return [{ unit, fee: own('commitFee') || '0', ...named, ...of, ...size } as Schemas['Commitment']];
  });
}

/** What is included, likewise: `bundle0`, `quantity0`. */
export function includedOf(values: Values): Schemas['Included'][] {
  return places(values, 'bundle').flatMap((at) => {
    const quantity = Number(values[`quantity${at}`] ?? '');
    return quantity > 0 ? [{ unit: values[`bundle${at}`] as Schemas['PriceUnit'], quantity }] : [];
  });
}

const places = (values: Values, name: string): number[] => Array.from({ length: PARTS_MAX }, (_, at) => at).filter((at) => `${name}${at}` in values);

/** Groups of fields one below the other, each with a button that takes it out, and one that adds another. */
function Parts({ title, add, none, children }: { title: string; add: string; none: string; children: (at: number) => ReactNode }) {
  const { t } = useTranslation();
  const [places, setPlaces] = useState<number[]>([]);
  const free = Array.from({ length: PARTS_MAX }, (_, at) => at).find((at) => !places.includes(at));
  return (
    <fieldset className="sheet-parts">
      <legend>{title}</legend>
      {places.length === 0 && <p className="faint">{none}</p>}
      {places.map((at, n) => (
        <div key={at} className="sheet-part">
          <div className="sheet-fields">{children(at)}</div>
          <button type="button" className="button button-small" aria-label={t('opBiz.partOut', { title, n: n + 1 })} onClick={() => setPlaces(places.filter((one) => one !== at))}>
            ✕
          </button>
        </div>
      ))}
      {free !== undefined && (
        <button type="button" className="button button-small" onClick={() => setPlaces([...places, free])}>
          {add}
        </button>
      )}
    </fieldset>
  );
}

export function ContractParts() {
  const { t } = useTranslation();
  const chips = useChipOptions(t('opBiz.anyChip'));
  const units = (['card_hour', 'core_hour', 'node_hour'] as const).map((value) => ({ value, label: t(`opBiz.priceUnit.${value}`) }));
  const classes = [{ value: '', label: t('opBiz.anyClass') }, ...CLASSES.map((value) => ({ value, label: t(`op.class.${value}`) }))];
  const bundles = (['gib_month', 'gib_moved'] as const).map((value) => ({ value, label: t(`opBiz.priceUnit.${value}`) }));
  const measures = [{ value: 'hours', label: t('opBiz.hoursMonth') }, { value: 'held', label: t('opBiz.heldAlways') }];
  return (
    <>
      <Parts title={t('opBiz.committed')} add={t('opBiz.addCommitment')} none={t('opBiz.noCommitment')}>
        {(at) => (
          <>
            <FieldLine field={{ name: `unit${at}`, label: t('opBiz.unitOf'), kind: 'select', options: units }} />
            <FieldLine field={{ name: `size${at}`, label: t('opBiz.size'), kind: 'number', required: true }} />
            <FieldLine field={{ name: `sort${at}`, label: t('opBiz.measure'), kind: 'select', options: measures }} />
            <FieldLine field={{ name: `commitFee${at}`, label: t('opBiz.commitFee'), kind: 'money' }} />
            <FieldLine field={{ name: `chip${at}`, label: t('opBiz.chip'), kind: 'select', options: chips }} />
            <FieldLine field={{ name: `class${at}`, label: t('opPlace.class'), kind: 'select', options: classes }} />
            <FieldLine field={{ name: `overage${at}`, label: t('opBiz.overage'), kind: 'money', hint: t('opBiz.overageHint') }} />
          </>
        )}
      </Parts>
      <Parts title={t('opBiz.included')} add={t('opBiz.addIncluded')} none={t('opBiz.noIncluded')}>
        {(at) => (
          <>
            <FieldLine field={{ name: `bundle${at}`, label: t('opBiz.unitOf'), kind: 'select', options: bundles }} />
            <FieldLine field={{ name: `quantity${at}`, label: t('opBiz.quantityMonth'), kind: 'number', required: true }} />
          </>
        )}
      </Parts>
    </>
  );
}
