// Whether the live stream runs: one value that the shell shows. Knows nothing of the stream itself.
import { useSyncExternalStore } from 'react';

import type { StreamStatus } from '../api/sse';

let status: StreamStatus = 'connecting';
const listeners = new Set<() => void>();

export function setConnection(next: StreamStatus): void {
  if (next === status) return;
  status = next;
  listeners.forEach((tell) => tell());
}

const subscribe = (tell: () => void) => {
  listeners.add(tell);
  return () => void listeners.delete(tell);
};

export const useConnection = (): StreamStatus => useSyncExternalStore(subscribe, () => status);
