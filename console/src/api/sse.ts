// Server-sent events over fetch: resumes by Last-Event-ID, waits longer after each failure, tells refusals from lost links.
// Own code instead of EventSource, which hides the status of a refusal and cannot resume after a reload of the stream.
import { ApiProblem } from './problem';

export interface SseMessage {
  event: string;
  data: string;
  id: string | undefined;
}

/** Cuts a stream of text into messages (WHATWG HTML, "interpreting an event stream"). */
export class SseParser {
  private rest = '';
  private event = '';
  private data: string[] = [];
  private id: string | undefined;
  lastId: string | undefined;

  push(text: string): SseMessage[] {
    const out: SseMessage[] = [];
    this.rest += text;
    for (;;) {
      const end = this.rest.search(/\r\n|\n|\r/);
      if (end < 0) break;
      // A CR at the very end may be the first half of CRLF: wait for the next piece.
      if (this.rest[end] === '\r' && end === this.rest.length - 1) break;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith('\r\n', end) ? 2 : 1));
      const message = this.line(line);
      if (message) out.push(message);
    }
    return out;
  }

  private line(line: string): SseMessage | undefined {
    if (line === '') {
      const { event, data, id } = this;
      if (id !== undefined) this.lastId = id;
      this.event = '';
      this.data = [];
      return data.length > 0 ? { event: event || 'message', data: data.join('\n'), id } : undefined;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.event = value;
    else if (field === 'data') this.data.push(value);
    else if (field === 'id') this.id = value;
    return undefined;
  }
}

export type StreamStatus = 'connecting' | 'open' | 'lost';

export interface StreamOptions {
  url: string | (() => string);
  signal: AbortSignal;
  onMessage: (message: SseMessage) => void;
  onStatus?: (status: StreamStatus) => void;
  /** A refusal (4xx). Answer true to try again later, anything else to give up. */
  onRefused?: (problem: ApiProblem) => boolean | undefined;
  lastEventId?: string | undefined;
}

/** First and longest wait between two attempts; doubled in between, with up to a quarter of chance on top. */
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 15_000;
/** A stream that has sent heartbeats and then nothing for this long is dead: three of the usual 15 s. */
const SILENCE_MS_MAX = 45_000;

export const retryDelayMs = (failures: number, chance: number): number =>
  Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.max(0, failures - 1)) * (1 + chance / 4);

/** Reads the stream until the signal aborts, a refusal ends it, or the caller stops it. */
export async function openStream(options: StreamOptions): Promise<void> {
  const { signal } = options;
  let lastId = options.lastEventId;
  let failures = 0;
  while (!signal.aborted) {
    options.onStatus?.(failures === 0 ? 'connecting' : 'lost');
    const parser = new SseParser();
    parser.lastId = lastId;
    try {
      const answer = await readOnce(options, parser, lastId, () => (failures = 0));
      if (answer instanceof ApiProblem && !answer.passing && options.onRefused?.(answer) !== true) return;
    } catch {
      // The link broke; the loop tries again below.
    }
    lastId = parser.lastId;
    failures += 1;
    if (signal.aborted) return;
    options.onStatus?.('lost');
    await pause(retryDelayMs(failures, Math.random()), signal);
  }
}

async function readOnce(options: StreamOptions, parser: SseParser, lastId: string | undefined, opened: () => void) {
  const url = typeof options.url === 'string' ? options.url : options.url();
  // Own controller: the watchdog ends a silent connection without ending the caller's signal.
  const control = new AbortController();
  const stop = () => control.abort();
  options.signal.addEventListener('abort', stop);
  let watchdog: ReturnType<typeof setTimeout> | undefined;
  try {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (lastId !== undefined) headers['Last-Event-ID'] = lastId;
    const response = await fetch(url, { headers, credentials: 'same-origin', cache: 'no-store', signal: control.signal });
    if (!response.ok || !response.body) {
      return ApiProblem.from(response.status, await response.json().catch(() => undefined));
    }
    opened();
    options.onStatus?.('open');
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let beats = false;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      beats ||= /^:/m.test(value);
      clearTimeout(watchdog);
      if (beats) watchdog = setTimeout(stop, SILENCE_MS_MAX);
      for (const message of parser.push(value)) options.onMessage(message);
    }
  } finally {
    clearTimeout(watchdog);
    options.signal.removeEventListener('abort', stop);
    control.abort();
  }
}

/** Waits, but not past the signal, and not while the browser knows it is back on line. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      globalThis.removeEventListener?.('online', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    globalThis.addEventListener?.('online', end);
  });
}
