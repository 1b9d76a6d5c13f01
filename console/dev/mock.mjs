// A stand-in for the server: serves dist and canned answers of the API, with live events and a growing log, so that
// pages can be looked at and tested without a platform behind them. Plain Node, no packages. Not shipped.
//   node dev/mock.mjs [port]     name: demo, password: demo; name: empty shows a tenant without anything
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const port = Number(process.argv[2] ?? process.env.PORT ?? 7470);
const dist = fileURLToPath(new URL('../dist', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.json': 'application/json' };
// What the real server sends; the page must live under it.
export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const GIB = 2 ** 30;
const start = Date.now();
const iso = (ms) => new Date(ms).toISOString().replace('Z', '000Z');
const ago = (seconds) => iso(start - seconds * 1000);
const amounts = (cores, gib, gpus = 0, chip = '') => ({
  cpu_millis: cores * 1000, memory_bytes: gib * GIB, gpus, tres: `cpu=${cores},mem=${gib}G${gpus ? `,gres/gpu${chip ? `:${chip}` : ''}=${gpus}` : ''}`,
});
const id = (prefix, n) => `${prefix}_${String(n).padStart(32, '0')}`;
const money = (micro) => (micro / 1e6).toFixed(6).replace(/0{1,4}$/, '');

const user = { id: id('usr', 1), name: 'demo', role: 'owner', tenant: id('ten', 1), tenant_name: 'river-lab', project: id('prj', 1), project_name: 'default' };

const node = (name, state = 'up') => ({ name, state });
const pools = [
  { id: id('pol', 1), name: 'local', cluster: id('clu', 1), cluster_name: 'local', mode: 'own', chip: null, shape: amounts(2, 22), nodes_total: 1, nodes_up: 1, total: amounts(2, 22), free: amounts(1, 14), running_jobs: 1, time_limit_max_seconds: null, price: { core_hour: '0.12', gib_hour: '0.015', card_hour: null, currency: 'CNY' }, remarks: ['memory limits are watched, not enforced: this host has no writable cgroup v2', 'cores are bound by affinity only'], nodes: [node('bench-01')] },
  { id: id('pol', 2), name: 'a100', cluster: id('clu', 2), cluster_name: 'hangzhou-gpu', mode: 'own', chip: 'nvidia-a100-80g', shape: amounts(128, 1024, 8, 'a100'), nodes_total: 12, nodes_up: 10, total: amounts(1280, 10240, 80, 'a100'), free: amounts(212, 1790, 6, 'a100'), running_jobs: 23, time_limit_max_seconds: 604800, price: { core_hour: '0.12', gib_hour: '0.015', card_hour: '11.50', currency: 'CNY' }, remarks: [], nodes: Array.from({ length: 12 }, (_, i) => node(`gpu-${String(i + 1).padStart(2, '0')}`, i === 3 ? 'down' : i === 8 ? 'drained' : 'up')) },
  { id: id('pol', 3), name: 'wuxi-cpu-sw-large-memory', cluster: id('clu', 3), cluster_name: 'wuxi-supercomputer', mode: 'partner', chip: null, shape: amounts(64, 512), nodes_total: 400, nodes_up: 400, total: amounts(25600, 204800), free: null, running_jobs: null, time_limit_max_seconds: 259200, price: { core_hour: '0.085', gib_hour: '0.01', card_hour: null, currency: 'CNY' }, remarks: [], nodes: Array.from({ length: 60 }, (_, i) => node(`cn${i + 1000}`)) },
];

const names = ['lj-melt', 'openfoam-cavity', 'train-resnet50', 'render-shot-0420', 'gromacs-villin', 'wrf-d03-forecast', 'vasp-relax', 'blast-nr', 'pi', 'postprocess'];
const jobs = [];
function addJob(job) {
  const cores = job.cores ?? 4;
  const full = {
    id: id('job', job.number), number: job.number, name: job.name, state: job.state,
    tenant: user.tenant, tenant_name: user.tenant_name, project: user.project, project_name: user.project_name, user: user.id, user_name: job.user ?? 'demo',
    pool: null, pool_name: null, nodes: [], class: 'normal',
    requested: { nodes: 1, tasks: cores, cpus_per_task: 1, ...amounts(cores, job.gib ?? cores * 2, job.gpus ?? 0, 'a100'), chips: job.gpus ? ['nvidia-a100-80g'] : [] },
    time_limit_seconds: 3600, submitted_at: ago(60), started_at: null, ended_at: null, exit: null, charged: '0.00', currency: 'CNY',
    reason: null, line: 'general', expected_start: null, begin: null, deadline: null, attempts: [], pools: [], args: [], work_dir: '/srv/headworks/work/river-lab/demo', stdout: null, stderr: null, comment: null, dependencies: [], requeue: true,
    ...job,
  };
  delete full.cores; delete full.gib;
  if (full.started_at) {
    full.pool ??= pools[0].id; full.pool_name ??= pools[0].name;
    const ended = full.ended_at !== null;
    full.nodes = ended ? [] : ['bench-01'];
    const outcome = { COMPLETED: 'completed', FAILED: 'failed', TIMEOUT: 'timeout', OUT_OF_MEMORY: 'out_of_memory', CANCELLED: 'cancelled', NODE_FAIL: 'node_fail' }[full.state] ?? null;
    full.attempts = [{ id: `att_${'0'.repeat(31)}1_1`, number: 1, cluster: id('clu', 1), cluster_name: 'local', pool: full.pool, pool_name: full.pool_name, phase: ended ? 'ended' : 'running', nodes: ['bench-01'], granted: { cpu_millis: full.requested.cpu_millis, memory_bytes: full.requested.memory_bytes, gpus: full.requested.gpus, tres: full.requested.tres }, external: '4711', placed_at: full.started_at, started_at: full.started_at, ended_at: full.ended_at, outcome, exit: full.exit, usage: { cpu_seconds: 1311.4, memory_peak_bytes: 3.1 * GIB, read_bytes: 48e6, written_bytes: 312e6 } }];
  }
  jobs.push(full);
  return full;
}
const waiting = (en, zh) => ({ code: 'resources', text_en: en, text_zh: zh });
addJob({ number: 1042, name: 'lj-melt-32000-atoms', state: 'RUNNING', submitted_at: ago(412), started_at: ago(395), charged: '0.0531', comment: 'Lennard-Jones melt, 32,000 atoms' });
addJob({ number: 1041, name: 'train-resnet50', state: 'RUNNING', cores: 32, gib: 256, gpus: 4, submitted_at: ago(9400), started_at: ago(7000), time_limit_seconds: 86400, charged: '91.3125', pool: pools[1].id, pool_name: 'a100', user: 'lin' });
addJob({ number: 1044, name: 'finetune-qwen-7b', state: 'PENDING', cores: 64, gib: 512, gpus: 8, submitted_at: ago(733), time_limit_seconds: 43200, expected_start: iso(start + 2640e3), reason: waiting('waits for room: cpu=64,mem=512G,gres/gpu:a100=8 needed on each node, cpu=212,mem=1790G,gres/gpu:a100=6 free in a100', '等待资源：每节点需要 cpu=64,mem=512G,gres/gpu:a100=8，a100 空闲 cpu=212,mem=1790G,gres/gpu:a100=6') });
addJob({ number: 1043, name: 'postprocess', state: 'PENDING', cores: 1, submitted_at: ago(401), reason: { code: 'dependency', text_en: 'waits for job 1042 to end', text_zh: '等待作业 1042 结束', on: id('job', 1042) }, dependencies: [{ kind: 'afterok', on: id('job', 1042) }] });
addJob({ number: 1040, name: 'a-rather-long-job-name-that-somebody-generated-with-parameters_T300_p1.0_seed42', state: 'HELD', submitted_at: ago(5000), reason: { code: 'held_user', text_en: 'held by its owner', text_zh: '已被用户挂起' } });
addJob({ number: 1039, name: 'wrf-d03-forecast', state: 'FAILED', submitted_at: ago(8000), started_at: ago(7900), ended_at: ago(7412), exit: { code: 1, signal: 0 }, charged: '0.4120' });
addJob({ number: 1038, name: 'vasp-relax', state: 'OUT_OF_MEMORY', submitted_at: ago(19000), started_at: ago(18900), ended_at: ago(17000), exit: { code: 137, signal: 9 }, charged: '1.20' });
for (let i = 0; i < 180; i++) {
  const state = i % 17 === 5 ? 'CANCELLED' : i % 23 === 7 ? 'TIMEOUT' : 'COMPLETED';
  const at = 22000 + i * 4100;
  const cores = [1, 2, 4, 8, 16, 64][i % 6];
  addJob({ number: 1037 - i, name: names[i % names.length], state, cores, user: i % 3 ? 'demo' : 'lin', submitted_at: ago(at), started_at: ago(at - 12), ended_at: ago(at - 12 - ((i * 977) % 7000) - 3), exit: { code: 0, signal: 0 }, charged: ((i * 0.3137) % 40).toFixed(4), array: i % 10 === 8 ? { root_number: 1000, index: i } : undefined });
}

const jobLabel = (job) => (job.array ? `${job.array.root_number}_${job.array.index}` : String(job.number));
const find = (name) => jobs.find((job) => job.id === name || String(job.number) === name || jobLabel(job) === name);

let seq = 1;
const events = [];
const listeners = new Set();
function emit(job, kind, text_en, text_zh, actor = { kind: 'platform' }, at = Date.now()) {
  const event = { seq: seq++, at: iso(at), tenant: user.tenant, job: job.id, state: job.state, actor, kind, text_en, text_zh, detail: {} };
  events.push(event);
  for (const send of listeners) send(event);
}
const me = { kind: 'user', id: user.id, name: user.name };
for (const job of [...jobs].reverse()) {
  const at = (text, plus = 0) => new Date(text).getTime() + plus;
  emit(job, 'submitted', 'submitted; ¥2.40 set aside', '已提交，冻结 ¥2.40', me, at(job.submitted_at));
  if (job.state === 'HELD') emit(job, 'held', 'held (by the user)', '已挂起（用户）', me, at(job.submitted_at, 90e3));
  if (job.started_at) {
    emit(job, 'placed', `placed in ${job.pool_name} as attempt 1`, `已分配到 ${job.pool_name}（第 1 次尝试）`, { kind: 'platform' }, at(job.started_at, -140));
    emit(job, 'queued', 'taken by the cluster', '集群已接收', { kind: 'cluster', name: 'local' }, at(job.started_at, -60));
    emit(job, 'started', 'started on bench-01', '已在 bench-01 启动', { kind: 'cluster', name: 'local' }, at(job.started_at));
  }
  if (job.ended_at) emit(job, 'ended', `ended: ${job.state.toLowerCase()}, ¥${job.charged} charged`, `已结束：${job.state}，计费 ¥${job.charged}`, { kind: 'cluster', name: 'local' }, at(job.ended_at));
}

// The log of the running melt grows; that of ended jobs is whole.
const logs = new Map();
function logOf(job) {
  if (!logs.has(job.id)) {
    let text = 'LAMMPS (2 Aug 2023)\nLattice spacing in x,y,z = 1.6795962 1.6795962 1.6795962\nCreated 32000 atoms\nSetting up Verlet run ...\n  Unit style    : lj\n  Current step  : 0\n  Time step     : 0.005\n   Step          Temp          E_pair         TotEng         Press\n';
    const lines = job.state === 'RUNNING' ? 60 : 9000;
    for (let i = 0; i < lines; i++) text += thermo(i);
    if (job.state !== 'RUNNING') text += 'Total wall time: 0:05:31\n';
    logs.set(job.id, text);
  }
  return logs.get(job.id);
}
const thermo = (i) => `${String(i * 100).padStart(7)}   ${(0.757 + Math.sin(i) / 500).toFixed(8)}   ${(-5.77 - Math.cos(i) / 300).toFixed(7)}   ${(-4.63 + Math.sin(i) / 900).toFixed(7)}   ${(0.22 + Math.cos(i) / 40).toFixed(8)}\n`;
let step = 60;
setInterval(() => {
  for (const job of jobs) if (job.state === 'RUNNING' && logs.has(job.id)) logs.set(job.id, logs.get(job.id) + thermo(step));
  step += 1;
}, 700).unref();

function candidates(cores, gib, gpus, price) {
  const rows = [
    { ...of(pools[0]), verdict: 'feasible', text_en: 'can run it', text_zh: '可运行', expected_start: iso(Date.now()), run_time_seconds: 3600, price, score: 0.914, terms: [{ name: 'start', value: 0.5 }, { name: 'price', value: 0.314 }, { name: 'own', value: 0.1 }], chosen: true },
    { ...of(pools[2]), verdict: 'feasible', text_en: 'can run it', text_zh: '可运行', expected_start: iso(Date.now() + 14 * 60e3), run_time_seconds: 3600, price: money(Math.round(Number(price) * 0.72e6)), score: 0.633, terms: [], chosen: false },
    { ...of(pools[1]), verdict: 'chip', text_en: 'has nvidia-a100-80g, asked for is no card', text_zh: '芯片为 nvidia-a100-80g，不需要加速卡', requested: null, available: null, expected_start: null, run_time_seconds: null, price: null, score: null, terms: [], chosen: false },
  ];
  if (gpus > 0 || cores > 64) {
    for (const row of rows.slice(0, 2)) {
      const has = row.pool === pools[0].id ? 'cpu=2,mem=22G' : 'cpu=64,mem=512G';
      const needs = amounts(cores, gib, gpus, 'a100').tres;
      Object.assign(row, { verdict: 'node_shape', text_en: `a node has ${has}, asked for are ${needs}`, text_zh: `单节点为 ${has}，需要 ${needs}`, requested: needs, available: has, expected_start: null, run_time_seconds: null, price: null, score: null, terms: [], chosen: false });
    }
    Object.assign(rows[2], { verdict: 'feasible', text_en: 'can run it', text_zh: '可运行', expected_start: iso(Date.now() + 2640e3), run_time_seconds: 43200, price: '1104.00', score: 0.42, chosen: cores <= 128 });
    if (cores > 128) Object.assign(rows[2], { verdict: 'node_shape', text_en: 'a node has cpu=128, asked for are more', text_zh: '单节点为 cpu=128，超出', expected_start: null, run_time_seconds: null, price: null, score: null, chosen: false });
    rows.reverse();
  }
  return rows;
}
const of = (pool) => ({ pool: pool.id, pool_name: pool.name, cluster_name: pool.cluster_name, mode: pool.mode });

/** A very small reader of #SBATCH lines: enough for faults at lines and a quote that moves. */
function readScript(script) {
  const asks = { ntasks: 1, mem: 2, gpus: 0, time: 60, array: 1 };
  const errors = [];
  let name = 'job';
  script.split('\n').forEach((line, i) => {
    const found = /^#SBATCH\s+--([\w-]+)(?:=(\S+))?/.exec(line);
    if (!found) return;
    const [, option, value = ''] = found;
    if (option === 'job-name') name = value;
    else if (option === 'ntasks') asks.ntasks = Number(value);
    else if (option === 'gpus') asks.gpus = Number(value.split(':').pop());
    else if (option === 'time') asks.time = Number(value);
    else if (option === 'mem') asks.mem = /M$/.test(value) ? parseInt(value, 10) / 1024 : parseInt(value, 10);
    else if (option === 'array') asks.array = 8;
    else if (!['output', 'error', 'partition'].includes(option)) errors.push({ line: i + 1, option, code: 'unknown_option', message: 'there is no such option', hint: option.startsWith('nta') ? 'did you mean --ntasks?' : undefined });
    if (option === 'ntasks' && !(asks.ntasks > 0)) errors.push({ line: i + 1, option, code: 'bad_value', message: `\`${value}\` is not a number of tasks` });
  });
  if (!script.startsWith('#!')) errors.push({ line: 1, code: 'script_without_interpreter', message: 'the first line must begin with #!' });
  return { asks, errors, name };
}

const problem = (status, code, detail, more = {}) => ({ status, body: { type: `https://headworks.dev/errors/${code}`, title: code, status, code, detail, request_id: 'req_0192f0', ...more } });
const quoteOf = ({ asks }) => {
  const price = money(Math.round(asks.ntasks * 0.12e6 * (asks.time / 60)));
  const rows = candidates(asks.ntasks, asks.mem, asks.gpus, price);
  return { request: { nodes: 1, tasks: asks.ntasks, cpus_per_task: 1, ...amounts(asks.ntasks, asks.mem, asks.gpus, 'a100'), chips: [] }, time_limit_seconds: asks.time * 60, class: 'normal', line: 'general', elements: asks.array, candidates: rows, chosen: rows.find((r) => r.chosen)?.pool ?? null, hold: price, currency: 'CNY', warnings: asks.array > 1 ? [{ line: null, option: 'array', message: 'an array of 8 elements: each is charged by itself' }] : [] };
};

function page(items, query) {
  const from = Number(query.get('cursor') ?? 0);
  const limit = Number(query.get('limit') ?? 100);
  return { items: items.slice(from, from + limit), next_cursor: from + limit < items.length ? String(from + limit) : null };
}

function listJobs(query) {
  const states = query.get('state')?.split(',');
  return jobs
    .filter((job) => (!states || states.includes(job.state)) && job.name.startsWith(query.get('name_prefix') ?? '') && (!query.get('user') || job.user_name === query.get('user')) && (!query.get('pool') || job.pool_name === query.get('pool')) && (!query.get('array') || String(job.array?.root_number) === query.get('array')))
    .sort((a, b) => b.number - a.number);
}

const change = (job, kind, state, en, zh) => {
  if (!job) return problem(404, 'job_not_found', 'there is no such job');
  job.state = state;
  job.reason = state === 'HELD' ? { code: 'held_user', text_en: 'held by its owner', text_zh: '已被用户挂起' } : null;
  if (state === 'CANCELLED') job.ended_at = iso(Date.now());
  emit(job, kind, en, zh, me);
  return { status: 200, body: { job: job.id, changed: 1 } };
};

/** The answer to one request of the API: `{status, body}`, or nothing where there is no such route. */
function answer(method, path, query, body, empty) {
  const [, , resource, name, part] = path.split('/');
  if (resource === 'pools') return { status: 200, body: page(empty ? [] : pools, query) };
  if (resource === 'clusters') return { status: 200, body: page([{ id: id('clu', 1), name: 'local', backend: 'local', supplier: id('sup', 1), supplier_name: 'own', site: 'bench', health: 'reachable', pools: 1, version: 'local, Linux 6.1.0', remarks: ['jobs run as nobody', 'the pool test declares 64 cores; this machine has 2'] }], query) };
  if (resource === 'tenants' && part === 'wallet') return { status: 200, body: { tenant: user.tenant, balance: empty ? '0.00' : '12480.55', held: empty ? '0.00' : '1156.40', available: empty ? '0.00' : '11324.15', credit_limit: '0.00', currency: 'CNY' } };
  if (resource !== 'jobs') return undefined;
  if (!name && method === 'GET') return { status: 200, body: page(empty ? [] : listJobs(query), query) };
  if ((!name || name === 'quote') && method === 'POST') {
    const read = readScript(body.script ?? '');
    if (read.errors.length) return problem(422, 'script_invalid', `${read.errors.length} faults in the script`, { errors: read.errors });
    if (name) return { status: 200, body: quoteOf(read) };
    if (read.asks.ntasks > 1000) return problem(402, 'insufficient_funds', 'the balance does not cover the hold', { needed: '90000.00', available: '11324.15', missing: '78675.85', currency: 'CNY' });
    const job = addJob({ number: 1100 + jobs.length, name: read.name, state: 'PENDING', cores: read.asks.ntasks, submitted_at: iso(Date.now()) });
    job.script = body.script;
    emit(job, 'submitted', 'submitted; ¥0.12 set aside', '已提交，冻结 ¥0.12', me);
    setTimeout(() => {
      job.state = 'RUNNING';
      const { attempts } = addJob({ ...job, started_at: iso(Date.now()) });
      jobs.pop();
      Object.assign(job, { started_at: iso(Date.now()), pool: pools[0].id, pool_name: 'local', attempts });
      emit(job, 'started', 'started on bench-01', '已在 bench-01 启动', { kind: 'cluster', name: 'local' });
    }, 1200);
    return { status: 201, body: { job: job.id, number: job.number, elements: 1, hold: '0.12', currency: 'CNY', warnings: [] } };
  }
  const job = find(name);
  if (!job || empty) return problem(404, 'job_not_found', 'there is no such job');
  if (method === 'POST') {
    if (part === 'cancel') return change(job, 'ended', 'CANCELLED', 'ended: cancelled, ¥0.05 charged', '已结束：已取消，计费 ¥0.05');
    if (part === 'hold') return change(job, 'held', 'HELD', 'held (by the user)', '已挂起（用户）');
    if (part === 'release') return change(job, 'released', 'PENDING', 'released', '已释放');
    if (part === 'requeue') return change(job, 'requeued', 'PENDING', 'back in the queue', '重新排队');
  }
  if (!part) return { status: 200, body: job };
  if (part === 'events') return { status: 200, body: page(events.filter((e) => e.job === job.id), query) };
  if (part === 'explain') {
    const { cpu_millis, memory_bytes, gpus } = job.requested;
    return { status: 200, body: { job: job.id, at: iso(Date.now() - 3000), phase: job.started_at ? 'placed' : 'pending', attempt: job.started_at ? 1 : null, currency: 'CNY', candidates: candidates(cpu_millis / 1000, memory_bytes / GIB, gpus, '0.48') } };
  }
  return undefined;
}

function stream(req, res, query) {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  res.flushHeaders();
  const after = Number(req.headers['last-event-id'] ?? query.get('after') ?? seq - 1);
  const send = (event) => res.write(`id: ${event.seq}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
  for (const event of events) if (event.seq > after) send(event);
  listeners.add(send);
  const beat = setInterval(() => res.write(':\n\n'), 5000);
  req.on('close', () => {
    listeners.delete(send);
    clearInterval(beat);
  });
}

function follow(req, res, job, query) {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  res.flushHeaders();
  const quiet = query.get('stream') === 'stderr';
  let offset = Number(query.get('offset') ?? 0);
  const size = () => (quiet ? 0 : logOf(job).length);
  if (offset < 0) offset = Math.max(0, size() + offset);
  const push = () => {
    while (offset < size()) {
      const text = logOf(job).slice(offset, offset + 32768);
      res.write(`id: ${offset + text.length}\nevent: log\ndata: ${JSON.stringify({ offset, text })}\n\n`);
      offset += text.length;
    }
    if (job.ended_at) {
      res.write(`event: end\ndata: ${JSON.stringify({ size: size() })}\n\n`);
      clearInterval(timer);
      res.end();
    }
  };
  const timer = setInterval(push, 300);
  push();
  req.on('close', () => clearInterval(timer));
}

async function file(res, path) {
  const wanted = normalize(join(dist, path));
  const asset = path.startsWith('/assets/');
  const data = wanted.startsWith(dist) && extname(path) ? await readFile(wanted).catch(() => undefined) : undefined;
  if (asset && !data) return void res.writeHead(404).end();
  const body = data ?? (await readFile(join(dist, 'index.html')));
  res.writeHead(200, {
    'content-type': TYPES[data ? extname(path) : '.html'] ?? 'application/octet-stream',
    'cache-control': asset ? 'public, max-age=31536000, immutable' : 'no-cache',
    'content-security-policy': CSP,
    'x-content-type-options': 'nosniff',
  });
  res.end(body);
}

const reply = (res, { status, body }, headers = {}) => {
  res.writeHead(status, { 'content-type': status >= 400 ? 'application/problem+json' : 'application/json', ...headers });
  res.end(body === undefined ? undefined : JSON.stringify(body));
};

const server = createServer(async (req, res) => {
  const url = new URL(req.url, 'http://mock');
  const { pathname: path, searchParams: query } = url;
  if (!path.startsWith('/v1/')) return file(res, path);
  let text = '';
  for await (const piece of req) text += piece;
  const body = text ? JSON.parse(text) : {};
  const who = /hw_session=(\w+)/.exec(req.headers.cookie ?? '')?.[1];
  if (!['GET', 'HEAD'].includes(req.method) && req.headers['x-hw-csrf'] !== '1') return reply(res, problem(403, 'csrf_missing', 'send X-HW-CSRF: 1'));
  const session = (name) => ({ user: { ...user, name, role: name === 'operator' ? 'operator' : user.role }, scope: 'full', expires_at: iso(Date.now() + 864e5) });
  if (path === '/v1/session') {
    if (req.method === 'POST') {
      if (!['demo', 'empty', 'operator'].includes(body.name) || body.password !== 'demo') return reply(res, problem(401, 'sign_in_failed', 'name or password is wrong'));
      return reply(res, { status: 200, body: session(body.name) }, { 'set-cookie': `hw_session=${body.name}; HttpOnly; SameSite=Strict; Path=/` });
    }
    if (req.method === 'DELETE') return reply(res, { status: 204 }, { 'set-cookie': 'hw_session=; Max-Age=0; Path=/' });
    return who ? reply(res, { status: 200, body: session(who) }) : reply(res, problem(401, 'unauthenticated', 'sign in first'));
  }
  if (!who) return reply(res, problem(401, 'unauthenticated', 'sign in first'));
  if (path === '/v1/events') return stream(req, res, query);
  const log = /^\/v1\/jobs\/([^/]+)\/(logs\/follow|logs|script)$/.exec(path);
  if (log) {
    const job = find(decodeURIComponent(log[1]));
    if (!job) return reply(res, problem(404, 'job_not_found', 'there is no such job'));
    if (log[2] === 'script') return void res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(job.script ?? `#!/bin/bash\n#SBATCH --job-name=${job.name}\n#SBATCH --ntasks=${job.requested.tasks}\n#SBATCH --time=60\n\nmpirun lmp -in melt.in\n`);
    if (log[2] === 'logs/follow') return follow(req, res, job, query);
    const offset = Number(query.get('offset') ?? 0);
    return void res.writeHead(200, { 'content-type': 'text/plain' }).end(logOf(job).slice(offset, offset + Number(query.get('limit') ?? 262144)));
  }
  return reply(res, answer(req.method, path, query, body, who === 'empty') ?? problem(404, 'route_not_found', `${req.method} ${path}`));
});
server.listen(port, '127.0.0.1', () => console.log(`mock server on http://127.0.0.1:${server.address().port}`));
