// The stream: messages cut right whatever the pieces, resumed where it broke off, ended where it was refused.
import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, test, vi } from 'vitest';

import { openStream, retryDelayMs, SseParser, type SseMessage } from './sse';

describe('the parser', () => {
  const TEXT = ': hello\n\nid: 7\nevent: started\ndata: {"a":1}\n\ndata: one\r\ndata:two\r\n\r\nevent: empty\n\nid: 9\ndata: last\n\n';
  const EXPECTED: SseMessage[] = [
    { event: 'started', data: '{"a":1}', id: '7' },
    { event: 'message', data: 'one\ntwo', id: '7' },
    { event: 'message', data: 'last', id: '9' },
  ];

  test('gives the same messages for every cut', () => {
    for (let cut = 0; cut <= TEXT.length; cut++) {
      const parser = new SseParser();
      expect([...parser.push(TEXT.slice(0, cut)), ...parser.push(TEXT.slice(cut))]).toEqual(EXPECTED);
      expect(parser.lastId).toBe('9');
    }
  });

  test('does not count a message that was cut off', () => {
    const parser = new SseParser();
    expect(parser.push('id: 1\ndata: a\n\nid: 2\ndata: b\n')).toHaveLength(1);
    expect(parser.lastId).toBe('1');
  });
});

test('waits grow to a bound', () => {
  expect([1, 2, 3, 6, 20].map((n) => retryDelayMs(n, 0))).toEqual([500, 1000, 2000, 15_000, 15_000]);
  expect(retryDelayMs(1, 1)).toBe(625);
});

describe('a stream', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });
  const listen = (handler: Parameters<typeof createServer>[1]) =>
    new Promise<string>((resolve) => {
      server = createServer(handler).listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server?.address() as { port: number }).port}/`));
    });

  test('goes on after the last message it has seen when the link breaks', async () => {
    const asked: (string | undefined)[] = [];
    const url = await listen((request, response) => {
      const after = Number(request.headers['last-event-id'] ?? 0);
      asked.push(request.headers['last-event-id'] as string | undefined);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (let id = after + 1; id <= after + 2; id++) response.write(`id: ${id}\ndata: ${id}\n\n`);
      response.end();
    });
    const control = new AbortController();
    const seen: string[] = [];
    const statuses: string[] = [];
    await openStream({
      url,
      signal: control.signal,
      onStatus: (status) => statuses.push(status),
      onMessage: (message) => {
        seen.push(message.data);
        if (seen.length === 4) control.abort();
      },
    });
    expect(seen).toEqual(['1', '2', '3', '4']);
    expect(asked).toEqual([undefined, '2']);
    expect(statuses.slice(0, 2)).toEqual(['connecting', 'open']);
    expect(statuses).toContain('lost');
  });

  test('ends at a refusal, and knows why', async () => {
    const url = await listen((_, response) => {
      response.writeHead(401, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ code: 'unauthenticated', status: 401, detail: 'sign in first' }));
    });
    const refused = vi.fn();
    await openStream({ url, signal: new AbortController().signal, onMessage: () => undefined, onRefused: refused });
    expect(refused).toHaveBeenCalledOnce();
    expect(refused.mock.calls[0]?.[0]).toMatchObject({ code: 'unauthenticated', status: 401 });
  });

  test('tries again when the server has no room for it now', async () => {
    let asked = 0;
    const url = await listen((_, response) => {
      asked += 1;
      if (asked === 1) return void response.writeHead(429).end('{}');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: here\n\n');
    });
    const control = new AbortController();
    const refused = vi.fn();
    await openStream({ url, signal: control.signal, onRefused: refused, onMessage: () => control.abort() });
    expect(asked).toBe(2);
    expect(refused).not.toHaveBeenCalled();
  });
});
