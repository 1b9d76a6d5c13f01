// Brings a file into the tenant's file space: its digest first, then its bytes in pieces; a lost piece is sent again, and
// the same file chosen again goes on where it was cut off.
import { Sha256 } from '../lib/sha256';
import { api, unwrap } from './client';
import { ApiProblem } from './problem';

/** Bytes of a piece: below the server's 8 MiB, and what a slow line carries within its 60 s. */
const PIECE = 2 * 1024 * 1024;
const READ = 4 * 1024 * 1024;
const TRIES = 4;
const AGAIN_MS = 1000;

export interface Progress {
  phase: 'digest' | 'send';
  done: number;
}

async function digestOf(file: File, signal: AbortSignal, tell: (progress: Progress) => void): Promise<string> {
  const digest = new Sha256();
  for (let at = 0; at < file.size; at += READ) {
    signal.throwIfAborted();
    digest.update(new Uint8Array(await file.slice(at, at + READ).arrayBuffer()));
    tell({ phase: 'digest', done: Math.min(file.size, at + READ) });
  }
  return digest.hex();
}

async function send(upload: string, offset: number, piece: Blob, signal: AbortSignal): Promise<{ offset: number; done: boolean }> {
  const url = `/v1/files/uploads/${encodeURIComponent(upload)}?offset=${offset}`;
  const response = await fetch(url, { method: 'PUT', body: piece, credentials: 'same-origin', headers: { 'Content-Type': 'application/octet-stream', 'X-HW-CSRF': '1' }, signal });
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw ApiProblem.from(response.status, body);
  return body as { offset: number; done: boolean };
}

export async function bring(file: File, path: string, project: string | undefined, signal: AbortSignal, tell: (progress: Progress) => void): Promise<void> {
  const sha256 = await digestOf(file, signal, tell);
  const begun = await unwrap(api.POST('/v1/files/uploads', { body: { path, size: file.size, sha256, ...(project && { project }) }, signal }));
  let { offset, done } = begun;
  for (let failures = 0; !done && begun.upload; ) {
    try {
      ({ offset, done } = await send(begun.upload, offset, file.slice(offset, offset + PIECE), signal));
      failures = 0;
      tell({ phase: 'send', done: offset });
    } catch (error) {
      failures += 1;
      const passing = !(error instanceof ApiProblem) || error.passing;
      if (signal.aborted || !passing || failures >= TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS * failures));
      ({ offset, done } = await unwrap(api.GET('/v1/files/uploads/{upload}', { params: { path: { upload: begun.upload } }, signal })));
    }
  }
}
