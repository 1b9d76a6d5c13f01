// A tenant with people, money and work, made through the API of the server that HW_URL names. What it makes has a name of
// its own at each run, so that the tests may be run again on the same server.
const BASE = process.env.HW_URL ?? '';

export interface Tenant {
  name: string;
  owner: string;
  member: string;
  password: string;
  /** Number of a job that wrote files and has ended, of an array of six, and of a job that waits held. */
  job: string;
  array: string;
  held: string;
}

type Json = Record<string, unknown>;

export async function call<T = Json>(token: string, method: string, path: string, body?: Json): Promise<T> {
  const response = await fetch(BASE + path, {
    method,
    headers: { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? {} : JSON.parse(text)) as T;
}

export const tokenOf = async (name: string, password: string): Promise<string> =>
  (await call<{ token: string }>('', 'POST', '/v1/login', { name, password, label: 'e2e' })).token;

/** An owner of a tenant of its own, with nothing in it. */
export async function seedUser(admin: string, adminPassword: string, name: string): Promise<{ name: string; password: string }> {
  const root = await tokenOf(admin, adminPassword);
  const password = 'a password for tests';
  await call(root, 'POST', '/v1/tenants', { name });
  await call(root, 'POST', '/v1/users', { tenant: name, name: `${name}-owner`, role: 'owner', password });
  return { name: `${name}-owner`, password };
}

const script = (name: string, lines: string) => `#!/bin/bash\n#SBATCH --job-name=${name}\n#SBATCH --ntasks=1\n#SBATCH --mem=64M\n#SBATCH --time=1\n${lines}\n`;

/** A PNG of two by two points. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVQI12P8z8Dw/z8DAwMTAwMDAwAkBgMBMmYbbgAAAABJRU5ErkJggg==';
const CURVE = [
  'mkdir -p out',
  'echo "step,energy,temperature" > out/curve.csv',
  'for i in $(seq 1 60); do echo "$i,$((1000 - i * i / 8)),$((300 + i % 7))" >> out/curve.csv; done',
  `echo ${PNG} | base64 -d > out/picture.png`,
  'echo "melted at last" > notes.txt',
  'for i in $(seq 1 30); do echo "step $i of 30: energy falls"; done',
  'echo "done: 1 warning"; sleep 3',
].join('\n');

/** Asks until the answer is as wanted. */
async function until<T>(ask: () => Promise<T>, good: (answer: T) => boolean): Promise<T> {
  for (let left = 300; ; left--) {
    const answer = await ask();
    if (good(answer) || left === 0) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export async function seedTenant(admin: string, adminPassword: string): Promise<Tenant> {
  const root = await tokenOf(admin, adminPassword);
  const name = `lab-${Date.now().toString(36)}`;
  const password = 'a password for tests';
  const [owner, member] = [`${name}-owner`, `${name}-mei`];
  await call(root, 'POST', '/v1/tenants', { name });
  // A price at which a second of a core costs this tenant 0.2: work of a moment is seen in the figures.
  await call(root, 'POST', '/v1/prices', { name: `e2e-${Date.now()}`, currency: 'CNY', core_hour: '0.10', gib_hour: '0.01', items: [{ unit: 'core_hour', tenant: name, price: '720' }] });
  await call(root, 'POST', `/v1/tenants/${name}/wallet/top-ups`, { amount: '5000', memo: 'first payment' });
  await call(root, 'POST', '/v1/users', { tenant: name, name: owner, role: 'owner', password });
  await call(root, 'POST', '/v1/users', { tenant: name, name: member, role: 'member', password });
  const day = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
  await call(root, 'POST', `/v1/tenants/${name}/grants`, { amount: '20', note: 'starter credit', to: day(30), project: 'default' });
  await call(root, 'POST', `/v1/tenants/${name}/contracts`, {
    name: 'autumn', to: day(90), fee: '200', unused: 'carry', commit: [{ unit: 'core_hour', class: 'high', hours: 1000, fee: '150', overage: '0.20' }],
  });
  const own = await tokenOf(owner, password);
  await call(own, 'POST', `/v1/tenants/${name}/projects`, { name: 'melt' });
  await call(own, 'POST', `/v1/tenants/${name}/budgets`, { amount: '100', kind: 'soft', period: 'month', utc_offset: '+08:00' });
  await call(own, 'POST', `/v1/tenants/${name}/budgets`, { amount: '40', kind: 'hard', period: 'month', project: 'melt', utc_offset: '+08:00' });
  const mine = await tokenOf(member, password);
  const submit = async (body: Json) => String((await call<{ number: number }>(mine, 'POST', '/v1/jobs', body)).number);
  const job = await submit({ script: script('melt', CURVE), project: 'melt', options: { comment: 'the first of them', requeue: true } });
  const array = await submit({ script: script('sweep', '#SBATCH --array=0-5\necho $SLURM_ARRAY_TASK_ID; test $SLURM_ARRAY_TASK_ID != 3') });
  const held = await submit({ script: script('later', '#SBATCH --hold\necho later') });
  await until(
    () => call<{ items: unknown[] }>(mine, 'GET', '/v1/jobs?open=true'),
    (open) => open.items.length === 1,
  );
  return { name, owner, member, password, job, array, held };
}
