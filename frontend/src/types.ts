/** The report contract, version 1, as the page reads it. Keys may be added by the server; none here is renamed. */

export type Lang = 'en' | 'ko';
export type Level = 'ok' | 'info' | 'warn' | 'bad' | 'unknown';
export type Num = number | null;
/** NaN and infinities come as strings. */
export type Wire = number | 'NaN' | 'Infinity' | '-Infinity' | null;

export interface Verdict {
  label: string;
  level: Level;
  confidence: number;
  headline: string;
  onset_step: Num;
}

export interface Remedy {
  text: string;
  setting: string | null;
  from: unknown;
  to: unknown;
  snippet?: string | null;
  example?: boolean;
}

export interface Finding {
  id?: string;
  rule: string;
  title?: string;
  label: string;
  guide: string[];
  severity: 'critical' | 'high' | 'medium' | 'info';
  tier?: number;
  confidence: number;
  steps: [number, number];
  tags: string[];
  evidence: Record<string, Wire>;
  message: string;
  remedies: Remedy[];
  explained_by: string | null;
}

export interface Check {
  rule: string;
  title?: string;
  outcome: 'fired' | 'passed' | 'skipped' | 'error';
  reason: string;
}

export interface Judgement {
  step: number;
  train_loss: Wire;
  eval_loss: Wire;
  gap: Wire;
  perplexity: Wire;
  level: 'ok' | 'warn' | 'bad';
  reason: string;
}

export interface Signal {
  id: string;
  state: 'pass' | 'fail' | 'unknown';
  reason: string;
}

export interface ChecklistItem {
  id: string;
  item: string;
  state: 'pass' | 'fail' | 'unknown';
  reason: string;
}

export interface Checkpoint {
  rank: number;
  step: number;
  path: string | null;
  on_disk: boolean;
  metric: string;
  value: Wire;
  gap: Wire;
  perplexity: Wire;
  quality: string | null;
  tied: boolean;
  recommended: boolean;
  level: 'ok' | 'warn' | 'bad';
  reason: string;
  size?: Num;
  modified?: Num;
}

export interface Curve {
  tag: string;
  run: string;
  steps: number[];
  values: Num[];
  wall_times: number[];
  epochs: Num[] | null;
  nonfinite: [number, string][];
  total: number;
  thinned: boolean;
  trend: { steps: number[]; values: Num[] } | null;
}

export interface RunNote {
  kind: string;
  message: string;
  path?: string | null;
  offset?: Num;
  step?: Num;
}

export interface Status {
  state: 'finished' | 'running' | 'stalled' | 'crashed' | 'unknown';
  phase: string;
  reason: string;
  last_step: Num;
  last_wall_time: Num;
  planned_steps: Num;
  epoch: Num;
  progress: Num;
  remaining_seconds: Num;
}

export interface Best {
  metric: string | null;
  value: Wire;
  step: Num;
  last_value: Wire;
  gap: Wire;
  perplexity: Wire;
  greater_is_better: boolean;
}

/** What every row of the overview needs; `?view=overview` sends only this. */
export interface RunSummary {
  run: string;
  tb_runs: string[];
  framework: string | null;
  profile: { id: string; reason: string; chosen_by: string };
  mode: 'full' | 'sampled';
  verdict: Verdict;
  status: Status;
  best: Best | null;
  hparams: Record<string, unknown>;
  signals: Signal[];
  sparkline: { train: Num[]; eval: Num[] };
}

export interface RunReport extends RunSummary {
  sources: { path: string; kind: string; events: number; notes: RunNote[] }[];
  roles: Record<string, { tag: string; name?: string; parts?: string[]; run: string; reason: string }>;
  cost: {
    wall_seconds: Num;
    active_seconds: Num;
    seconds_per_step: Num;
    seconds_per_epoch: Num;
    eval_share: Num;
    slowdown: Num;
  } | null;
  findings: Finding[];
  checks: Check[];
  judgements: Judgement[];
  checklist: ChecklistItem[];
  checkpoints: Checkpoint[];
  ranking: {
    metric: string | null;
    greater_is_better: boolean;
    best_evaluated: Num;
    best_on_disk: Num;
    regret: Num;
    notes: string[];
  } | null;
  restarts: { step: number; last_step: number; wall_time: number; new_file: boolean; forward: boolean }[];
  notes: RunNote[];
  role_notes: string[];
  samples: { step: number; tag: string; text: string }[];
  curves?: Record<string, Curve>;
}

export interface RuleDoc {
  title: string;
  label?: string;
  guide?: string[];
  what: string;
  why: string;
  todo: string;
  wrong: string;
}

export interface Progress {
  done: number;
  total: number | null;
}

export interface Report<R extends RunSummary = RunSummary> {
  format_version: number;
  tool: { name: string; version: string };
  logdir: string;
  profile: string | null;
  lang: Lang;
  mode?: 'full' | 'sampled';
  languages?: Lang[];
  summary?: Record<Level, number>;
  revision?: number;
  progress?: Progress | null;
  differing?: string[];
  rules?: Record<string, RuleDoc>;
  runs: R[];
}

/** `/api/status`: what the background reader is doing. */
export interface ServerStatus {
  revision: string;
  state: 'reading' | 'ready' | 'empty' | 'error';
  mode: 'full' | 'sampled';
  reason: string | null;
  progress: Progress | null;
  read_at: Num;
  runs: number;
}
