/** From the report's curves to what a chart draws: axes, lines and ranges, as pure functions. */
import { int, wire } from '../format';
import type { Say } from '../i18n';
import type { Curve, Num, RunReport } from '../types';
import type { XAxis } from '../urlstate';

// --- the horizontal axis --------------------------------------------------------------------------------------------

/** Steps are the report's own unit; the other axes are ways to look at them. */
export interface AxisMap {
  kind: XAxis;
  at(step: number): number;
  back(x: number): number;
  of(curve: Pick<Curve, 'steps' | 'wall_times'>): number[];
}

const isTime = (kind: XAxis): boolean => kind === 'relative' || kind === 'wall';

/** The curve with the most points tells how steps lie in time; train loss where lengths are equal. */
function reference(curves: readonly Curve[], kind: XAxis): Curve | null {
  let best: Curve | null = null;
  for (const curve of curves) {
    if (kind === 'epoch' && !(curve.epochs ?? []).some((e) => e !== null)) continue;
    if (!best || curve.steps.length > best.steps.length) best = curve;
  }
  return best;
}

export function axes(curves: readonly Curve[]): XAxis[] {
  const out: XAxis[] = ['step'];
  const distinct = (values: readonly Num[]): boolean => new Set(values.filter((v) => v !== null)).size > 1;
  if (curves.some((c) => c.epochs && distinct(c.epochs))) out.push('epoch');
  if (curves.some((c) => distinct(c.wall_times))) out.push('relative', 'wall');
  return out;
}

export function axisMap(curves: readonly Curve[], kind: XAxis): AxisMap {
  const ref = kind === 'step' ? null : reference(curves, kind);
  if (!ref) return { kind: 'step', at: (s) => s, back: (x) => x, of: (c) => c.steps };
  const start = kind === 'relative' ? Math.min(...curves.map((c) => c.wall_times[0] ?? Infinity)) : 0;
  const steps: number[] = [];
  const xs: number[] = [];
  let highest = -Infinity;
  ref.steps.forEach((step, i) => {
    const raw = kind === 'epoch' ? ref.epochs?.[i] : ref.wall_times[i];
    if (raw === null || raw === undefined) return;
    highest = Math.max(highest, raw - start);
    steps.push(step);
    xs.push(highest);
  });
  const at = (step: number): number => interpolate(steps, xs, step);
  return {
    kind,
    at,
    back: (x) => interpolate(xs, steps, x),
    of: (c) => (isTime(kind) && c.wall_times.length === c.steps.length ? rising(c.wall_times.map((w) => w - start)) : c.steps.map(at)),
  };
}

/** A clock that was set back must not turn the axis: time never falls along the steps. */
function rising(values: number[]): number[] {
  let highest = -Infinity;
  return values.map((v) => (highest = Math.max(highest, v)));
}

/** Piecewise linear, going on with the mean slope outside. */
export function interpolate(xs: readonly number[], ys: readonly number[], x: number): number {
  const n = xs.length;
  if (n === 0) return x;
  if (n === 1) return ys[0]!;
  const mean = (ys[n - 1]! - ys[0]!) / (xs[n - 1]! - xs[0]! || 1);
  if (x <= xs[0]!) return ys[0]! + (x - xs[0]!) * mean;
  if (x >= xs[n - 1]!) return ys[n - 1]! + (x - xs[n - 1]!) * mean;
  let low = 0;
  let high = n - 1;
  while (high - low > 1) {
    const mid = (low + high) >> 1;
    if (xs[mid]! <= x) low = mid;
    else high = mid;
  }
  const width = xs[high]! - xs[low]!;
  return width === 0 ? ys[low]! : ys[low]! + ((x - xs[low]!) / width) * (ys[high]! - ys[low]!);
}

// --- lines ----------------------------------------------------------------------------------------------------------

export type Ink = 'train' | 'eval' | 'plain' | `run${number}`;

export interface Line {
  id: string;
  label: string;
  ink: Ink;
  /** raw points behind a trend are faint; few points are drawn as marks too */
  style: 'faint' | 'strong' | 'marked';
  steps: readonly number[];
  x: readonly number[];
  y: readonly Num[];
  /** its value is shown at the crosshair and its name at its end */
  named: boolean;
}

export interface Panel {
  id: string;
  title: string;
  lines: Line[];
  bands: { x: number; low: number; high: number }[];
  level: { value: number; label: string } | null; // horizontal line
  nonfinite: { x: number; what: string; line: string }[];
  note: string | null;
}

const FEW = 60; // points that are each worth a mark
const FEW_IN_SMALL = 24; // the same in a small chart

export function curveLines(id: string, curve: Curve, label: string, ink: Ink, axis: AxisMap, few = FEW): Line[] {
  const raw: Line = {
    id,
    label,
    ink,
    style: curve.trend ? 'faint' : curve.steps.length <= few ? 'marked' : 'strong',
    steps: curve.steps,
    x: axis.of(curve),
    y: curve.values,
    named: true,
  };
  if (!curve.trend) return [raw];
  const x = interpolateAll(curve.steps, raw.x, curve.trend.steps);
  return [raw, { id: `${id}.trend`, label, ink, style: 'strong', steps: curve.trend.steps, x, y: curve.trend.values, named: false }];
}

const interpolateAll = (xs: readonly number[], ys: readonly number[], at: readonly number[]): number[] => at.map((s) => interpolate(xs, ys, s));

export function nonfinite(curves: Record<string, Curve | undefined>, axis: AxisMap): Panel['nonfinite'] {
  return Object.entries(curves).flatMap(([line, c]) => (c ? c.nonfinite.map(([step, what]) => ({ x: axis.at(step), what, line })) : []));
}

function thinnedNote(curves: readonly (Curve | undefined)[], say: Say, finer: boolean): string | null {
  const thinned = curves.filter((c): c is Curve => c?.thinned === true);
  if (thinned.length === 0) return null;
  const most = thinned.reduce((a, b) => (b.total > a.total ? b : a));
  return say(finer ? 'chart.thinned' : 'chart.thinned.file', { n: int(most.steps.length), total: int(most.total) });
}

const CLIPS = ['max_grad_norm', 'gradient_clip_val', 'clip_grad', 'grad_clip', 'clip_grad_norm'];

export function clipLimit(hparams: Record<string, unknown>): number | null {
  for (const name of CLIPS) {
    const value = hparams[name];
    if (typeof value === 'number' && value > 0) return value;
  }
  return null;
}

/** The chart of train and eval loss; without losses, of the reward, for a run that is judged by it. */
export function mainPanel(run: RunReport, curves: Record<string, Curve>, axis: AxisMap, say: Say, finer = true): Panel | null {
  const train = curves['train_loss'];
  const evals = curves['eval_loss'];
  const lines = [
    ...(train ? curveLines('train', train, say('chart.train'), 'train', axis) : []),
    ...(evals ? curveLines('eval', evals, say('chart.eval'), 'eval', axis) : []),
  ];
  if (lines.length === 0) {
    const reward = curves['reward'];
    return reward ? plain('reward', say('chart.reward'), reward, axis, say, finer) : null;
  }
  const bands = run.judgements.flatMap((j) => {
    const low = wire(j.train_loss);
    const high = wire(j.eval_loss);
    return low !== null && high !== null && Number.isFinite(low) && Number.isFinite(high) ? [{ x: axis.at(j.step), low, high }] : [];
  });
  return { id: 'loss', title: say('chart.loss'), lines, bands, level: null, nonfinite: nonfinite({ train, eval: evals }, axis), note: thinnedNote([train, evals], say, finer) };
}

function plain(id: string, title: string, curve: Curve, axis: AxisMap, say: Say, finer = true): Panel {
  return {
    id,
    title,
    lines: curveLines(id, curve, title, 'plain', axis, FEW_IN_SMALL),
    bands: [],
    level: null,
    nonfinite: nonfinite({ [id]: curve }, axis),
    note: thinnedNote([curve], say, finer),
  };
}

function fromJudgements(run: RunReport, key: 'gap' | 'perplexity', title: string, axis: AxisMap): Panel | null {
  const rows = run.judgements.filter((j) => Number.isFinite(wire(j[key])));
  if (rows.length < 2) return null;
  const steps = rows.map((j) => j.step);
  const line: Line = { id: key, label: title, ink: 'plain', style: rows.length <= FEW_IN_SMALL ? 'marked' : 'strong', steps, x: steps.map(axis.at), y: rows.map((j) => wire(j[key])), named: true };
  return { id: key, title, lines: [line], bands: [], level: null, nonfinite: [], note: null };
}

/** The small charts under the main one, in the order a person asks for them. */
export function smallPanels(run: RunReport, curves: Record<string, Curve>, axis: AxisMap, say: Say, main: Panel | null): Panel[] {
  const out: (Panel | null)[] = [];
  const of = (role: string): Curve | undefined => {
    const curve = curves[role];
    return curve && curve.steps.length > 1 ? curve : undefined;
  };
  const single = (role: string, title: string): Panel | null => {
    const curve = of(role);
    return curve && main?.id !== role ? plain(role, title, curve, axis, say) : null;
  };
  const pair = (id: string, title: string, train: Curve | undefined, evals: Curve | undefined): Panel | null =>
    train || evals
      ? {
          id,
          title,
          lines: [
            ...(train ? curveLines(`${id}.train`, train, say('chart.train'), 'train', axis, FEW_IN_SMALL) : []),
            ...(evals ? curveLines(`${id}.eval`, evals, say('chart.eval'), 'eval', axis, FEW_IN_SMALL) : []),
          ],
          bands: [],
          level: null,
          nonfinite: nonfinite({ [`${id}.train`]: train, [`${id}.eval`]: evals }, axis),
          note: null,
        }
      : null;

  // A schedule has no noise: a trend over it would only bend it.
  const rate = of('learning_rate');
  out.push(rate ? plain('learning_rate', say('chart.lr'), { ...rate, trend: null }, axis, say) : null);
  const grad = single('grad_norm', say('chart.grad'));
  const clip = clipLimit(run.hparams);
  if (grad && clip !== null) grad.level = { value: clip, label: say('chart.clip', { value: clip }) };
  out.push(grad);
  out.push(fromJudgements(run, 'gap', say('fact.gap'), axis));
  out.push(pair('perplexity', say('chart.perplexity'), of('train_perplexity'), of('eval_perplexity')) ?? fromJudgements(run, 'perplexity', say('chart.perplexity'), axis));
  out.push(pair('accuracy', say('chart.accuracy'), of('train_accuracy'), of('eval_accuracy')));
  const metric = of('eval_metric');
  if (metric && metric.tag !== of('eval_accuracy')?.tag) out.push(plain('eval_metric', metric.tag, metric, axis, say));
  out.push(single('reward', say('chart.reward')));
  out.push(single('loss_scale', say('chart.loss_scale')));
  out.push(single('step_time', say('chart.step_time')));
  out.push(single('throughput', say('chart.throughput')));
  out.push(single('memory', say('chart.memory')));
  return out.filter((p): p is Panel => p !== null);
}

// --- ranges ---------------------------------------------------------------------------------------------------------

export function xRange(panels: readonly Panel[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const panel of panels)
    for (const line of panel.lines)
      for (const x of line.x) {
        if (x < low) low = x;
        if (x > high) high = x;
      }
  for (const panel of panels)
    for (const mark of panel.nonfinite) {
      if (mark.x < low) low = mark.x;
      if (mark.x > high) high = mark.x;
    }
  if (low > high) return [0, 1];
  return low === high ? [low - 1, high + 1] : [low, high];
}

const LINEAR_BELOW = 2; // a logarithmic axis that spans less than this factor tells nothing that a linear one does not

/** Whether a panel gains from a logarithmic axis: enough of it is positive and spread out. */
export function spread(panel: Panel): boolean {
  let low = Infinity;
  let high = 0;
  for (const line of panel.lines)
    for (const y of line.y)
      if (y !== null && y > 0) {
        low = Math.min(low, y);
        high = Math.max(high, y);
      }
  return high / low >= LINEAR_BELOW;
}

const START = 0.03; // share of a line's points that count as its start
const START_FEWEST = 8; // a line of fewer points has no start apart from the rest
const START_MANY = 20; // points from which on the rest is well known
const START_FAR = [30, 8] as const; // times the range of the rest by which a start is far off: with few points, with many

/** The range without the first points, where these lie so far off that nothing else could be told apart; else null. */
function withoutStart(panel: Panel, from: number, to: number, onset: number | null): { low: number; high: number; far: number } | null {
  let low = Infinity;
  let high = -Infinity;
  let start = -Infinity;
  let most = 0;
  for (const line of panel.lines) {
    const points = line.y.flatMap((y, i) => (y !== null && Number.isFinite(y) && line.x[i]! >= from && line.x[i]! <= to ? [[line.x[i]!, y] as const] : []));
    most = Math.max(most, points.length);
    const first = points.length < START_FEWEST ? 0 : Math.ceil(points.length * START);
    if (first > 0) start = Math.max(start, points[first - 1]![0]);
    for (const [, y] of points.slice(first)) {
      low = Math.min(low, y);
      high = Math.max(high, y);
    }
  }
  // What the verdict points at stays in sight.
  return low < high && !(onset !== null && onset <= start) ? { low, high, far: START_FAR[most < START_MANY ? 0 : 1] } : null;
}

const CUT = 0.02; // share left out at each end when outliers are cut
const CUT_MARGIN = 0.25; // of the kept range, so that ordinary noise is never cut

/** The vertical range for what is in sight. `cut` counts the points that fall outside when outliers are cut; `clip` null cuts only a far start. */
export function yRange(panel: Panel, from: number, to: number, log: boolean, clip: boolean | null, onset: number | null = null): { range: [number, number]; cut: number } {
  const values: number[] = [];
  const take = (y: Num | undefined): void => {
    if (y !== null && y !== undefined && Number.isFinite(y) && (!log || y > 0)) values.push(y);
  };
  for (const line of panel.lines) {
    line.x.forEach((x, i) => {
      if (x >= from && x <= to) take(line.y[i]);
    });
    // Lines that go on past the edges of a zoom must not leave through the top.
    take(crossing(line, from));
    take(crossing(line, to));
  }
  if (panel.level && values.length > 0 && (!log || panel.level.value > 0)) values.push(panel.level.value);
  if (values.length === 0) return { range: log ? [0.1, 10] : [0, 1], cut: 0 };
  values.sort((a, b) => a - b);
  let low = values[0]!;
  let high = values[values.length - 1]!;
  let cut = 0;
  if (clip && values.length >= 10) {
    const p = values[Math.floor(values.length * CUT)]!;
    const q = values[Math.min(values.length - 1, Math.ceil(values.length * (1 - CUT)))]!;
    const margin = (q - p) * CUT_MARGIN;
    low = Math.max(low, p - margin);
    high = Math.min(high, q + margin);
    cut = outside(panel, from, to, low, high);
  }
  const rest = clip === null && !log ? withoutStart(panel, from, to, onset) : null;
  if (rest) {
    const size = rest.high - rest.low;
    if (high - rest.low > rest.far * size) high = rest.high + size * CUT_MARGIN;
    if (rest.high - low > rest.far * size) low = rest.low - size * CUT_MARGIN;
    cut = outside(panel, from, to, low, high);
  }
  if (log) {
    const ratio = Math.max(high / low, 1.01) ** 0.06;
    return { range: [low / ratio, high * ratio * (panel.nonfinite.length > 0 ? ratio : 1)], cut };
  }
  const pad = (high - low) * 0.06 || Math.abs(high) * 0.05 || 0.5;
  const bottom = low >= 0 && low - pad < 0 ? 0 : low - pad;
  // The crosses of NaN need a strip of their own at the top.
  return { range: [bottom, high + (panel.nonfinite.length > 0 ? 2 : 1) * pad], cut };
}

const outside = (panel: Panel, from: number, to: number, low: number, high: number): number =>
  panel.lines.filter((l) => l.named).reduce((n, l) => n + l.y.filter((y, i) => y !== null && l.x[i]! >= from && l.x[i]! <= to && (y < low || y > high)).length, 0);

/** Where a line crosses a vertical, between two of its points; null outside it and at a gap. */
export function crossing(line: Pick<Line, 'x' | 'y'>, at: number): Num {
  for (let i = 1; i < line.x.length; i += 1) {
    if (line.x[i]! < at) continue;
    const [x0, x1, y0, y1] = [line.x[i - 1]!, line.x[i]!, line.y[i - 1], line.y[i]];
    if (x0 >= at || y0 === null || y0 === undefined || y1 === null || y1 === undefined) return null;
    return y0 + ((at - x0) / (x1 - x0)) * (y1 - y0);
  }
  return null;
}

/** One table for uPlot: all x values in order; undefined where a line has no point, null where its point is not finite. */
export function align(lines: readonly Line[], log: boolean): { x: number[]; ys: (Num | undefined)[][] } {
  const all = new Set<number>();
  for (const line of lines) for (const x of line.x) all.add(x);
  const x = [...all].sort((a, b) => a - b);
  const index = new Map(x.map((value, i) => [value, i]));
  const ys = lines.map((line) => {
    const column: (Num | undefined)[] = new Array<Num | undefined>(x.length).fill(undefined);
    line.x.forEach((value, i) => {
      const y = line.y[i] ?? null;
      column[index.get(value)!] = y !== null && log && y <= 0 ? null : y;
    });
    return column;
  });
  return { x, ys };
}

/** Index of the point of a column that lies nearest in x, or null. */
export function nearest(x: readonly number[], column: readonly (Num | undefined)[], at: number, from: number): number | null {
  let left = Math.min(from, x.length - 1);
  let right = left;
  const has = (i: number): boolean => column[i] !== null && column[i] !== undefined;
  while (left >= 0 && !has(left)) left -= 1;
  while (right < x.length && !has(right)) right += 1;
  if (left < 0 && right >= x.length) return null;
  if (left < 0) return right;
  if (right >= x.length) return left;
  return Math.abs(x[left]! - at) <= Math.abs(x[right]! - at) ? left : right;
}

/** What a chart says to somebody who does not see it. */
export function describe(panel: Panel, say: Say, number: (v: number) => string, step: (v: number) => string): string {
  const lines = panel.lines
    .filter((l) => l.named)
    .map((line) => {
      const finite = line.y.map((y, i) => ({ y, step: line.steps[i]! })).filter((p): p is { y: number; step: number } => p.y !== null);
      const first = finite[0];
      const last = finite[finite.length - 1];
      if (!first || !last) return line.label;
      const low = finite.reduce((a, b) => (b.y < a.y ? b : a));
      return say('chart.line', { label: line.label, first: number(first.y), last: number(last.y), low: number(low.y), step: step(low.step) });
    });
  if (panel.nonfinite.length > 0) lines.push(say('chart.nonfinite', { n: panel.nonfinite.length }));
  return say('chart.describe', { title: panel.title, lines: lines.join('; ') });
}
