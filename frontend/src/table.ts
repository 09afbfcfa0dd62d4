/** The overview's order and filter: pure functions of the report and the view. */
import { wire } from './format';
import type { Level, Report, RunSummary } from './types';
import type { ViewState } from './urlstate';

export const LEVELS: readonly Level[] = ['bad', 'warn', 'info', 'unknown', 'ok'];
const RANK: Record<Level, number> = { bad: 0, warn: 1, info: 2, unknown: 3, ok: 4 };

export const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** What the search box accepts; a broken expression matches nothing and is said beside the box. */
export function matcher(query: string, regex: boolean): { test: (run: RunSummary) => boolean; broken: boolean } {
  if (!query) return { test: () => true, broken: false };
  const haystack = (r: RunSummary): string => `${r.run}\n${r.verdict.label}\n${r.verdict.headline}`;
  if (!regex) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    return { test: (r) => { const text = haystack(r).toLowerCase(); return words.every((w) => text.includes(w)); }, broken: false };
  }
  try {
    const pattern = new RegExp(query, 'iu');
    return { test: (r) => pattern.test(r.run) || pattern.test(r.verdict.label), broken: false };
  } catch (error) {
    if (error instanceof SyntaxError) return { test: () => false, broken: true };
    throw error;
  }
}

/** Higher is worse: level first, then how sure, then the earlier onset. The report already comes in this order. */
export function visibleRuns(report: Report, view: Pick<ViewState, 'query' | 'regex' | 'levels' | 'label' | 'sort' | 'descending'>): RunSummary[] {
  const { test } = matcher(view.query, view.regex);
  const levels = new Set(view.levels);
  const kept = report.runs.filter((r) => (levels.size === 0 || levels.has(r.verdict.level)) && (!view.label || r.verdict.label === view.label) && test(r));
  const key = sortKey(view.sort);
  const order = new Map(report.runs.map((r, i) => [r, i]));
  const sign = view.descending ? -1 : 1;
  return kept
    .map((run) => ({ run, key: key(run) }))
    .sort((a, b) => compare(a.key, b.key, sign) || order.get(a.run)! - order.get(b.run)!)
    .map((row) => row.run);
}

type Key = number | string | null;

function sortKey(name: string): (run: RunSummary) => Key {
  if (name.startsWith('hp:')) {
    const hparam = name.slice(3);
    return (r) => {
      const value = r.hparams[hparam];
      return typeof value === 'number' || typeof value === 'string' ? value : value === undefined || value === null ? null : String(value);
    };
  }
  switch (name) {
    case 'run':
      return (r) => r.run;
    case 'confidence':
      return (r) => r.verdict.confidence;
    case 'best':
      return (r) => finite(wire(r.best?.value));
    case 'best_step':
      return (r) => r.best?.step ?? null;
    case 'signals':
      return (r) => r.signals.filter((s) => s.state === 'pass').length;
    case 'progress':
      return (r) => r.status.progress;
    case 'age':
      return (r) => r.status.last_wall_time;
    default:
      return (r) => RANK[r.verdict.level] - r.verdict.confidence / 2;
  }
}

const finite = (v: number | null): number | null => (v !== null && Number.isFinite(v) ? v : null);

/** What is missing goes last, whichever way the column is turned. */
function compare(a: Key, b: Key, sign: number): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  if (typeof a === 'number' && typeof b === 'number') return sign * (a - b);
  return sign * collator.compare(String(a), String(b));
}

/** What people turn most: shown first where it differs. */
const USUAL = ['learning_rate', 'lr', 'batch_size', 'per_device_train_batch_size', 'gradient_accumulation_steps', 'num_train_epochs', 'max_steps', 'weight_decay', 'dropout', 'lora_r', 'lora_alpha', 'lora_dropout', 'optimizer', 'optim', 'warmup_ratio', 'warmup_steps', 'lr_scheduler_type', 'hidden_size', 'seed'];

function usualPlace(name: string): number {
  const place = USUAL.indexOf(name.split(/[./]/).pop() ?? name);
  return place < 0 ? USUAL.length : place;
}

/** The usual hyper-parameters first, the others by name. */
export function byUse(names: readonly string[]): string[] {
  return [...names].sort((a, b) => usualPlace(a) - usualPlace(b) || collator.compare(a, b));
}

/** Of the hyper-parameters that differ, those worth a column: stated with several values, the usual ones first. */
export function hparamColumns(report: Report, most: number): string[] {
  const scored = (report.differing ?? []).flatMap((name) => {
    const values = report.runs.map((r) => r.hparams[name]).filter((v) => v !== undefined && v !== null);
    if (new Set(values.map(String)).size < 2 || values.length < report.runs.length / 2) return [];
    return [{ name, score: values.length / report.runs.length + 2 - (2 * usualPlace(name)) / USUAL.length }];
  });
  return scored.sort((a, b) => b.score - a.score).slice(0, most).map((s) => s.name);
}

export function labelsOf(report: Report): string[] {
  return [...new Set(report.runs.map((r) => r.verdict.label))].sort();
}

export function countLevels(runs: readonly RunSummary[]): Record<Level, number> {
  const out: Record<Level, number> = { bad: 0, warn: 0, info: 0, ok: 0, unknown: 0 };
  for (const run of runs) out[run.verdict.level] += 1;
  return out;
}

/** The rows to draw of a long list: those in sight and a few on each side. */
export function windowOf(count: number, rowHeight: number, scrollTop: number, height: number, spare = 8): [number, number] {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - spare);
  const last = Math.min(count, Math.ceil((scrollTop + height) / rowHeight) + spare);
  return [Math.min(first, Math.max(0, last - 1)), last];
}
