// Rows of links that scroll on a phone: the one that is open is to be seen.
import { type RefObject, useEffect, useRef } from 'react';

/** For the element that scrolls; looks again when the address changes. */
export function useCurrentInView(address: string): RefObject<HTMLElement | null> {
  const row = useRef<HTMLElement>(null);
  useEffect(() => {
    const open = row.current?.querySelector<HTMLElement>('[aria-current]');
    if (!row.current || !open) return;
    const middle = open.offsetLeft - row.current.offsetLeft - (row.current.clientWidth - open.clientWidth) / 2;
    row.current.scrollLeft = Math.max(0, middle);
  }, [address]);
  return row;
}
