// Where a cluster stands: as the operator said it, as text to type and back, and, where nobody said it, by the names. Pure.
import type { Point } from './land';
import { placeOf } from './places';
import type { Schemas } from './queries';

type Place = Schemas['Place'];

/** `26.6, 106.7` (north, east) as degrees; nothing where it is none. */
export function degreesOf(text: string): { latitude: number; longitude: number } | undefined {
  const parts = text.split(/[,，]/).map((part) => part.trim());
  if (parts.length !== 2 || parts.some((part) => !/^[-+]?\d+(\.\d+)?$/.test(part))) return undefined;
  const [latitude, longitude] = parts.map(Number) as [number, number];
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : undefined;
}

export const degreesText = (place: Place | null | undefined): string => (place ? `${place.latitude}, ${place.longitude}` : '');

/** Whether somebody said where it stands, or its name tells, or nothing does. */
export function standsAt(cluster: Schemas['Cluster'], all: readonly Schemas['Cluster'][]): Point | undefined {
  const said = cluster.place ?? all.find((other) => other.site === cluster.site && other.site !== '' && other.place)?.place;
  return said ? [said.longitude, said.latitude] : placeOf(cluster.site, cluster.name);
}
