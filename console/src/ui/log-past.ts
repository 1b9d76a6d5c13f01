// A part of a job's output away from its end: read by offsets, shown instead of the end until one goes back there.
import { useCallback, useEffect, useState } from 'react';

import { ApiProblem } from '../api/problem';
import type { Job } from '../api/types';
import { append, emptyLog, type LogText, prepend, settle } from '../lib/log-buffer';
import type { LogStream } from './log-view';

/** Bytes of one look back or on. */
export const PART_BYTES = 256 * 1024;

export interface Part {
  text: string;
  /** Characters of the text before the byte at an offset. */
  lengthTo: (offset: number) => number;
  /** Offsets of the first byte of the text, and of the one behind it. */
  from: number;
  to: number;
  /** Of the file now. */
  size: number;
}

const utf8 = new TextDecoder();

/** So many bytes of an output as text; a character that the cut goes through is left out at the beginning. */
export async function readPart(job: Job, stream: LogStream, from: number, bytes: number): Promise<Part> {
  const response = await fetch(`/v1/jobs/${job.id}/logs?stream=${stream}&offset=${from}&limit=${bytes}`, { credentials: 'same-origin' });
  if (!response.ok) throw ApiProblem.from(response.status, await response.json().catch(() => undefined));
  const all = new Uint8Array(await response.arrayBuffer());
  // Continuation bytes (10xxxxxx) belong to what is before.
  let skip = 0;
  while (from > 0 && skip < 3 && ((all[skip] ?? 0) & 0xc0) === 0x80) skip += 1;
  const lengthTo = (offset: number) => settle(utf8.decode(all.subarray(skip, Math.max(skip, offset - from)))).length;
  return { text: settle(utf8.decode(all.subarray(skip))), lengthTo, from: from + skip, to: from + all.length, size: Number(response.headers.get('X-HW-Size') ?? from + all.length) };
}

export interface Past {
  log: LogText;
  /** Offset behind what is shown, and whether more is there. */
  to: number;
  more: boolean;
  /** The place asked for last: characters of the text before it. Another object for another place. */
  place: { before: number };
}

/** The part around a place; `undefined` while the end is shown. */
export function usePast(job: Job, stream: LogStream) {
  const [past, setPast] = useState<Past>();
  const leave = useCallback(() => setPast(undefined), []);
  useEffect(leave, [job.id, stream, leave]);

  const show = useCallback(
    async (offset: number) => {
      const part = await readPart(job, stream, Math.max(0, offset - PART_BYTES / 4), PART_BYTES);
      setPast({ log: append(emptyLog(part.from), part.text), to: part.to, more: part.to < part.size, place: { before: part.lengthTo(offset) } });
    },
    [job, stream],
  );
  const earlier = useCallback(async () => {
    if (!past) return;
    const from = Math.max(0, past.log.from - PART_BYTES);
    const part = await readPart(job, stream, from, past.log.from - from);
    setPast({ ...past, log: prepend(past.log, part.text, part.from) });
  }, [job, stream, past]);
  const later = useCallback(async () => {
    if (!past) return;
    const part = await readPart(job, stream, past.to, PART_BYTES);
    setPast({ ...past, log: append(past.log, part.text), to: part.to, more: part.to < part.size });
  }, [job, stream, past]);
  return { past, show, earlier, later, leave };
}
