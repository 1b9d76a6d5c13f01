// Brings a file into the tenant's file space or into a job's work folder: its digest first, then its bytes in pieces; a lost piece
// is sent again, and the same file chosen again goes on where it was cut off.
import { Sha256 } from '../lib/sha256';
import { api, unwrap } from './client';
import { contentUrl } from './files';
import { ApiProblem } from './problem';

/** Bytes of a piece: below the server's 8 MiB, and what a slow line carries within its 60 s. */
const PIECE = 2 * 1024 * 1024;
const READ = 4 * 1024 * 1024;
const TRIES = 4;
const AGAIN_MS = 1000;
/** Bytes of a file that a work folder takes, as the server has it (`WORK_FILE_BYTES_MAX`). */
export const WORK_FILE_MAX = 1024 * 1024 * 1024;

export interface Progress {
  phase: 'digest' | 'send';
  done: number;
}

interface Reached {
  offset: number;
  done: boolean;
}

/** Where the pieces of one file go: how far it has come, and the next piece. */
interface Way {
  reached: () => Promise<Reached>;
  send: (offset: number, piece: Blob) => Promise<Reached>;
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

async function put(url: string, piece: Blob, signal: AbortSignal): Promise<Reached> {
  const response = await fetch(url, { method: 'PUT', body: piece, credentials: 'same-origin', headers: { 'Content-Type': 'application/octet-stream', 'X-HW-CSRF': '1' }, signal });
  const body: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw ApiProblem.from(response.status, body);
  return body as Reached;
}

/** A piece that was lost, or that somebody else's got ahead of, is sent again from where the file has come. */
const again = (error: unknown): boolean => !(error instanceof ApiProblem) || error.passing || error.code === 'wrong_offset';

async function all(file: File, way: Way, from: Reached, signal: AbortSignal, tell: (progress: Progress) => void): Promise<void> {
  let { offset, done } = from;
  for (let failures = 0; !done; ) {
    try {
      ({ offset, done } = await way.send(offset, file.slice(offset, offset + PIECE)));
      failures = 0;
      tell({ phase: 'send', done: offset });
    } catch (error) {
      failures += 1;
      if (signal.aborted || !again(error) || failures >= TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS * failures));
      ({ offset, done } = await way.reached());
    }
  }
}

export async function bring(file: File, path: string, project: string | undefined, signal: AbortSignal, tell: (progress: Progress) => void): Promise<void> {
  const sha256 = await digestOf(file, signal, tell);
  const begun = await unwrap(api.POST('/v1/files/uploads', { body: { path, size: file.size, sha256, ...(project && { project }) }, signal }));
  const upload = begun.upload;
  if (!upload) return;
  const way: Way = {
    reached: () => unwrap(api.GET('/v1/files/uploads/{upload}', { params: { path: { upload } }, signal })),
    send: (offset, piece) => put(`/v1/files/uploads/${encodeURIComponent(upload)}?offset=${offset}`, piece, signal),
  };
  await all(file, way, begun, signal, tell);
}

export async function bringToJob(file: File, job: string, path: string, replace: boolean, signal: AbortSignal, tell: (progress: Progress) => void): Promise<void> {
  const sha256 = await digestOf(file, signal, tell);
  const url = `${contentUrl(job, path)}&${new URLSearchParams({ size: String(file.size), sha256, ...(replace && { replace: 'true' }) }).toString()}`;
  // Without bytes it says how far the file has come; an empty file is there with that.
  const way: Way = { reached: () => put(url, new Blob(), signal), send: (offset, piece) => put(`${url}&offset=${offset}`, piece, signal) };
  await all(file, way, await way.reached(), signal, tell);
}
