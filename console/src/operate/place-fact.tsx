// Where a cluster stands: what was said of it, and the dialog that says it.
import { useTranslation } from 'react-i18next';

import { api, unwrap } from '../api/client';
import { ApiProblem } from '../api/problem';
import { useMayChange } from './address';
import { ActButton, FormDialog } from './form';
import { degreesOf, degreesText } from './place';
import { placeOf } from './places';
import type { Schemas } from './queries';

export function PlaceFact({ cluster }: { cluster: Schemas['ClusterDetail'] }) {
  const { t } = useTranslation();
  const mayChange = useMayChange();
  const { place } = cluster;
  const guessed = !place && placeOf(cluster.site, cluster.name);
  const words = place ? [place.label, degreesText(place)].filter(Boolean).join(' · ') : guessed ? t('opCluster.placeGuessed') : t('opCluster.placeNone');
  return (
    <span className="place-fact">
      <span className={place ? undefined : 'faint'}>{words}</span>
      {mayChange && (
        <ActButton small words={t('opCluster.placeSay')}>
          {(close) => (
            <FormDialog
              title={t('opCluster.placeTitle', { cluster: cluster.name })}
              fields={[
                { name: 'degrees', label: t('opCluster.degrees'), hint: t('opCluster.degreesHint'), value: degreesText(place) },
                { name: 'label', label: t('opCluster.placeLabel'), value: place?.label ?? '' },
              ]}
              act={t('opCluster.placeAct')}
              onClose={close}
              send={async ({ degrees = '', label }) => {
                const at = degreesOf(degrees);
                if (degrees && !at) throw new ApiProblem('invalid', 422, t('opCluster.degreesWrong'));
                const body = { place: at ? { ...at, ...(label ? { label } : {}) } : null };
                return unwrap(api.PUT('/v1/clusters/{cluster}/place', { params: { path: { cluster: cluster.name } }, body }));
              }}
            />
          )}
        </ActButton>
      )}
    </span>
  );
}
