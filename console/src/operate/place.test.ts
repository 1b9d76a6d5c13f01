// Places as they are said, typed and guessed.
import { expect, test } from 'vitest';

import { degreesOf, degreesText, standsAt } from './place';
import type { Schemas } from './queries';

const cluster = (name: string, site: string, place?: Schemas['Place']): Schemas['Cluster'] => ({ name, site, ...(place && { place }) }) as Schemas['Cluster'];

test('degrees are read as they are written, and nothing else', () => {
  expect(degreesOf('26.6, 106.7')).toEqual({ latitude: 26.6, longitude: 106.7 });
  expect(degreesOf('-33.9，151')).toEqual({ latitude: -33.9, longitude: 151 });
  for (const bad of ['', '26.6', '91,0', '0,181', 'a,b', '1e1,0', '1,2,3']) expect(degreesOf(bad)).toBeUndefined();
  expect(degreesOf(degreesText({ latitude: -1.5, longitude: 2 }))).toEqual({ latitude: -1.5, longitude: 2 });
});

test('what was said comes before what a name tells, also for others at the same site', () => {
  const here = { latitude: 1, longitude: 2 };
  const all = [cluster('shanghai-a', 'x', here), cluster('shanghai-b', 'x'), cluster('shanghai-c', ''), cluster('mist', '')];
  expect(all.map((one) => standsAt(one, all))).toEqual([[2, 1], [2, 1], [121.5, 31.2], undefined]);
});
