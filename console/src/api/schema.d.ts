/**
 * Stands in for the generated types until docs/openapi.json exists: `npm run generate` replaces this file.
 */
export interface components {
  schemas: {
    JobState: 'PENDING' | 'HELD' | 'RUNNING' | 'COMPLETING' | 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'TIMEOUT' | 'OUT_OF_MEMORY' | 'NODE_FAIL' | 'PREEMPTED';
    Role: 'operator' | 'auditor' | 'owner' | 'member';
    Scope: 'full' | 'jobs' | 'read';
    SupplyMode: 'own' | 'partner';
    NodeState: 'up' | 'drained' | 'down';
    PriorityClass: 'low' | 'normal' | 'high' | 'urgent';
    Amounts: { cpu_millis: number; memory_bytes: number; gpus: number; tres: string };
    Exit: { code: number; signal: number };
    ArrayPosition: { root_number: number; index: number };
    Requested: { nodes: number; tasks: number; cpus_per_task: number; cpu_millis: number; memory_bytes: number; gpus: number; chips: string[]; tres: string };
    SessionUser: { id: string; name: string; role: components['schemas']['Role']; tenant: string; tenant_name: string; project: string; project_name: string };
    WhoAmI: { user: components['schemas']['SessionUser']; scope: components['schemas']['Scope']; expires_at: string };
    SignIn: { name: string; password: string };
    JobSummary: {
      id: string; number: number; array?: components['schemas']['ArrayPosition'] | null; name: string; state: components['schemas']['JobState'];
      tenant: string; tenant_name: string; project: string; project_name: string; user: string; user_name: string;
      pool?: string | null; pool_name?: string | null; class: components['schemas']['PriorityClass'];
      requested: components['schemas']['Requested']; time_limit_seconds: number;
      submitted_at: string; started_at?: string | null; ended_at?: string | null; exit?: components['schemas']['Exit'] | null;
      charged: string; currency: string;
    };
    Reason: { code: string; text_en: string; text_zh: string; requested?: components['schemas']['Amounts'] | null; available?: components['schemas']['Amounts'] | null; pool?: string | null; on?: string | null; at?: string | null };
    Usage: { cpu_seconds: number; memory_peak_bytes: number; read_bytes: number; written_bytes: number };
    Attempt: {
      id: string; number: number; cluster: string; cluster_name: string; pool: string; pool_name: string; phase: string; nodes: string[];
      granted: components['schemas']['Amounts']; external?: string | null; placed_at: string; started_at?: string | null; ended_at?: string | null;
      outcome?: string | null; exit?: components['schemas']['Exit'] | null; usage: components['schemas']['Usage']; note?: string | null;
    };
    Dependency: { kind: string; on: string };
    Job: components['schemas']['JobSummary'] & {
      reason?: components['schemas']['Reason'] | null; line: string; expected_start?: string | null; begin?: string | null; deadline?: string | null;
      attempts: components['schemas']['Attempt'][]; pools: string[]; args: string[]; work_dir?: string | null; stdout?: string | null; stderr?: string | null;
      comment?: string | null; dependencies: components['schemas']['Dependency'][]; requeue: boolean;
    };
    JobChanged: { job: string; changed: number };
    Warning: { line?: number | null; option?: string | null; message: string };
    JobSubmit: { script: string; options?: { [key: string]: string | boolean | number }; args?: string[]; environment?: { [key: string]: string }; project?: string | null; work_dir?: string | null; script_name?: string | null; dry_run?: boolean };
    JobAccepted: { job?: string | null; number: number; elements: number; hold: string; currency: string; warnings: components['schemas']['Warning'][] };
    ScoreTerm: { name: string; value: number };
    Candidate: {
      pool: string; pool_name: string; cluster_name: string; mode: components['schemas']['SupplyMode']; verdict: string; text_en: string; text_zh: string;
      requested?: string | null; available?: string | null; expected_start?: string | null; run_time_seconds?: number | null; price?: string | null; cost?: string | null;
      score?: number | null; terms?: components['schemas']['ScoreTerm'][]; chosen: boolean;
    };
    Quote: { request: components['schemas']['Requested']; time_limit_seconds: number; class: components['schemas']['PriorityClass']; line: string; elements: number; candidates: components['schemas']['Candidate'][]; chosen?: string | null; hold: string; currency: string; warnings: components['schemas']['Warning'][] };
    Explanation: { job: string; at: string; phase: 'pending' | 'placed'; attempt?: number | null; currency: string; candidates: components['schemas']['Candidate'][] };
    Actor: { kind: string; id?: string | null; name?: string | null };
    Event: { seq: number; at: string; tenant?: string | null; job?: string | null; state?: components['schemas']['JobState'] | null; actor: components['schemas']['Actor']; kind: string; text_en: string; text_zh: string; detail: Record<string, never> };
    Node: { name: string; state: components['schemas']['NodeState'] };
    PoolPrice: { core_hour: string; gib_hour: string; card_hour?: string | null; currency: string };
    Pool: {
      id: string; name: string; cluster: string; cluster_name: string; mode: components['schemas']['SupplyMode']; chip?: string | null; shape: components['schemas']['Amounts'];
      nodes_total: number; nodes_up: number; total: components['schemas']['Amounts']; free?: components['schemas']['Amounts'] | null; running_jobs?: number | null;
      time_limit_max_seconds?: number | null; price?: components['schemas']['PoolPrice'] | null; remarks: string[]; nodes: components['schemas']['Node'][];
    };
    Wallet: { tenant: string; balance: string; held: string; available: string; credit_limit: string; currency: string };
    FieldError: { line?: number | null; option?: string | null; code?: string | null; message: string; hint?: string | null };
    Problem: { type: string; title: string; status: number; code: string; detail: string; request_id: string; errors?: components['schemas']['FieldError'][]; needed?: string | null; available?: string | null; missing?: string | null; currency?: string | null };
    LogPiece: { offset: number; text: string };
    LogEnd: { size: number };
  };
}

type S = components['schemas'];
type Refused = { content: { 'application/problem+json': S['Problem'] } };
type Ok<T> = { content: { 'application/json': T } };
type Answers<T> = { responses: { 200: Ok<T>; default: Refused } };
type PageOf<T> = { items: T[]; next_cursor?: string | null };
type JobPath = { parameters: { path: { job: string } } };
type Paging = { limit?: number; cursor?: string };

export interface paths {
  '/v1/session': {
    get: Answers<S['WhoAmI']>;
    post: { requestBody: { content: { 'application/json': S['SignIn'] } } } & Answers<S['WhoAmI']>;
    delete: { responses: { 204: { content?: never }; default: Refused } };
  };
  '/v1/jobs': {
    get: { parameters: { query?: Paging & { state?: string; user?: string; tenant?: string; project?: string; name?: string; pool?: string; array?: string; open?: boolean } } } & Answers<PageOf<S['JobSummary']>>;
    post: { parameters: { header?: { 'Idempotency-Key'?: string } }; requestBody: { content: { 'application/json': S['JobSubmit'] } }; responses: { 201: Ok<S['JobAccepted']>; default: Refused } };
  };
  '/v1/jobs/quote': { post: { requestBody: { content: { 'application/json': S['JobSubmit'] } } } & Answers<S['Quote']> };
  '/v1/jobs/{job}': { get: JobPath & Answers<S['Job']> };
  '/v1/jobs/{job}/script': { get: JobPath & { responses: { 200: { content: { 'text/plain': string } }; default: Refused } } };
  '/v1/jobs/{job}/events': { get: { parameters: { path: { job: string }; query?: Paging } } & Answers<PageOf<S['Event']>> };
  '/v1/jobs/{job}/explain': { get: JobPath & Answers<S['Explanation']> };
  '/v1/jobs/{job}/cancel': { post: JobPath & Answers<S['JobChanged']> };
  '/v1/jobs/{job}/hold': { post: JobPath & Answers<S['JobChanged']> };
  '/v1/jobs/{job}/release': { post: JobPath & Answers<S['JobChanged']> };
  '/v1/jobs/{job}/requeue': { post: JobPath & Answers<S['JobChanged']> };
  '/v1/pools': { get: { parameters: { query?: Paging } } & Answers<PageOf<S['Pool']>> };
  '/v1/tenants/{tenant}/wallet': { get: { parameters: { path: { tenant: string } } } & Answers<S['Wallet']> };
}
export type webhooks = Record<string, never>;
