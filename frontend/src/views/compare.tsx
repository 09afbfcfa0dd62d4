/** Two to ten runs side by side: their curves in one chart, their verdicts and numbers in one table. */
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { axes, axisMap, curveLines, nonfinite, spread, xRange, yRange, type Panel } from '../chart/data';
import { Chart, NO_MARKS } from '../chart/chart';
import { duration, fixed, int, percent, places, scalar, wire } from '../format';
import type { Say } from '../i18n';
import { byUse } from '../table';
import type { Curve, RunReport } from '../types';
import type { ViewState, XAxis, YAxis } from '../urlstate';
import { Choice, LevelMark, Name, SignalGrid } from './parts';

interface Props {
  runs: readonly RunReport[];
  view: ViewState;
  change: (part: Partial<ViewState>) => void;
  theme: string;
  say: Say;
}

/** Ten inks that can be told apart without colour vision by lightness, and each line carries its name. */
export const RUN_INKS: Record<'light' | 'dark', readonly string[]> = {
  light: ['#0072b2', '#b34700', '#007a5e', '#a4508b', '#5a4fcf', '#8a6d00', '#c2185b', '#37708c', '#4d7c0f', '#5f5f5f'],
  dark: ['#56b4e9', '#e69f00', '#2fbf9b', '#e78ac3', '#a79bff', '#e0d04a', '#ff8a80', '#8fc7d9', '#a8d468', '#c0c0c0'],
};

export function inksOf(count: number, theme: string): Record<string, string> {
  const palette = RUN_INKS[theme === 'dark' ? 'dark' : 'light'];
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`run${i}`, palette[i % palette.length]!]));
}

function overlayPanel(runs: readonly RunReport[], role: string, title: string, kind: XAxis): Panel | null {
  const names = shortNames(runs.map((r) => r.run));
  const lost: Panel['nonfinite'] = [];
  const lines = runs.flatMap((run, i) => {
    const curve = run.curves?.[role];
    if (!curve || curve.steps.length === 0) return [];
    // Each run has its own clock: relative time starts at its own first event.
    const axis = axisMap(Object.values(run.curves ?? {}), kind);
    lost.push(...nonfinite({ [`${i}`]: curve }, axis));
    return curveLines(`${i}`, curve, names[i]!, `run${i}`, axis);
  });
  return lines.length === 0 ? null : { id: `overlay.${role}`, title, lines, bands: [], level: null, nonfinite: lost, note: null };
}

const LONG = 18; // characters of a name that fit beside a line

/** Names that tell runs apart in little room: what long ones share at both ends is left out, then their middle. */
export function shortNames(names: readonly string[]): string[] {
  const long = names.filter((n) => n.length > LONG).map((n) => n.split(/(?<=[/_\-. ])/));
  let head = 0;
  let tail = 0;
  if (long.length > 1) {
    const least = Math.min(...long.map((n) => n.length)) - 1;
    while (head < least && long.every((n) => n[head] === long[0]![head])) head += 1;
    while (tail < least - head && long.every((n) => n[n.length - 1 - tail] === long[0]![long[0]!.length - 1 - tail])) tail += 1;
  }
  const out = names.map((name) => {
    if (name.length <= LONG) return name;
    const words = name.split(/(?<=[/_\-. ])/);
    const core = words.slice(head, words.length - tail).join('').replace(/[/_\-. ]$/, '');
    const text = `${head > 0 ? '…' : ''}${core}${tail > 0 ? '…' : ''}`;
    return text.length <= LONG ? text : `${core.slice(0, 8)}…${core.slice(-9)}`;
  });
  // Two that came out alike get their places in the list.
  return out.map((name, i) => (out.indexOf(name) === out.lastIndexOf(name) ? name : `${i + 1} ${name.slice(0, LONG - 3)}`));
}

export function Overlay({ runs, view, change, theme, say }: Props) {
  const curves: Curve[] = useMemo(() => runs.flatMap((r) => Object.values(r.curves ?? {})), [runs]);
  const kinds = useMemo<XAxis[]>(() => axes(curves).filter((k) => k !== 'wall'), [curves]);
  const kind: XAxis = kinds.includes(view.x) ? view.x : 'step';
  const role = runs.some((r) => r.curves?.['eval_loss']) ? 'eval_loss' : 'train_loss';
  const panel = useMemo(() => overlayPanel(runs, role, say(role === 'eval_loss' ? 'overlay' : 'overlay.train'), kind), [runs, role, kind, say]);
  const train = useMemo(() => (role === 'eval_loss' ? overlayPanel(runs, 'train_loss', say('overlay.train'), kind) : null), [runs, role, kind, say]);
  const inks = useMemo(() => inksOf(runs.length, theme), [runs.length, theme]);
  // With several runs there is no one axis to convert by: the crosshair and the zoom stay in what is drawn.
  const axis = useMemo(() => ({ ...axisMap([], 'step'), kind }), [kind]);
  if (!panel) return <p class="muted">{say('chart.none')}</p>;
  const range = xRange([panel, ...(train ? [train] : [])]);
  const log = (p: Panel): boolean => view.y === 'log' && spread(p);
  const zoom = view.zoom && kind === 'step' ? ([view.zoom[0], view.zoom[1]] as [number, number]) : null;
  const shared = {
    axis,
    range,
    zoom,
    onZoom: (z: [number, number] | null) => change({ zoom: z && kind === 'step' ? z : null }),
    marks: NO_MARKS,
    clip: view.clip,
    sync: 'evalguide.overlay',
    theme,
    say,
    inks,
  };
  const cuts = view.clip ?? [panel, ...(train ? [train] : [])].some((p) => yRange(p, ...(zoom ?? range), log(p), null).cut > 0);
  const below = runs.length > 3;
  return (
    <div class="charts">
      <div class="toolbar" role="toolbar" aria-label={panel.title}>
        {kinds.length > 1 && <Choice<XAxis> name={say('chart.x')} value={kind} options={kinds.map((k) => ({ value: k, text: say(`x.${k}`) }))} onChange={(x) => change({ x, zoom: null })} />}
        <Choice<YAxis> name={say('chart.y')} value={view.y} options={[{ value: 'linear', text: say('y.linear') }, { value: 'log', text: say('y.log') }]} onChange={(y) => change({ y })} />
        <label class="tick">
          <input type="checkbox" checked={cuts} onChange={(e) => change({ clip: e.currentTarget.checked })} /> {say('chart.fit')}
        </label>
        <span class="spring" />
        <button type="button" class="quiet" disabled={!zoom} onClick={() => change({ zoom: null })}>
          {say('chart.reset')}
        </button>
      </div>
      <Chart {...shared} panel={panel} log={log(panel)} below={below} height={280} />
      {train && <Chart {...shared} panel={train} log={log(train)} below={below} height={180} />}
    </div>
  );
}

type Row = { name: ComponentChildren; key: string; cells: ComponentChildren[]; best?: number };

/** Index of the one best value, or -1 where there is none or it is shared by all. */
function bestOf(values: readonly (number | null)[], greater: boolean): number {
  let best = -1;
  values.forEach((v, i) => {
    if (v === null || !Number.isFinite(v)) return;
    if (best < 0 || (greater ? v > values[best]! : v < values[best]!)) best = i;
  });
  return values.filter((v) => v !== null && Number.isFinite(v)).length > 1 ? best : -1;
}

export function Compare(props: Props) {
  const { runs, view, change, say, theme } = props;
  const inks = inksOf(runs.length, theme);
  const rows = useMemo(() => tableRows(runs, say), [runs, say]);
  const names = [...new Set(runs.flatMap((r) => Object.keys(r.hparams)))].sort();
  // What only some runs state tells frameworks apart, not settings: two different values must have been stated.
  const differing = byUse(names.filter((n) => new Set(runs.flatMap((r) => (r.hparams[n] === undefined ? [] : [JSON.stringify(r.hparams[n])]))).size > 1));
  return (
    <main id="main" class="compare" tabIndex={-1}>
      <h1>{say('compare.title', { n: runs.length })}</h1>
      <section class="block">
        <Overlay {...props} />
      </section>
      <section class="block">
        <div class="scroll" tabIndex={0} role="group" aria-label={say('compare.title', { n: runs.length })}>
          <table class="data compare-table">
            <thead>
              <tr>
                <td />
                {runs.map((run, i) => (
                  <th key={run.run}>
                    <span class="run-head">
                      <span class="dot" style={{ background: inks[`run${i}`] }} />
                      <button type="button" class="link" onClick={() => change({ view: 'run', run: run.run, zoom: null })}>
                        <Name limit={60}>{run.run}</Name>
                      </button>
                      <button
                        type="button"
                        class="quiet remove"
                        aria-label={say('compare.remove', { run: run.run.slice(0, 200) })}
                        onClick={() => {
                          const left = view.selected.filter((s) => s !== run.run);
                          change({ selected: left, view: left.length < 2 ? 'overview' : 'compare' });
                        }}
                      >
                        ×
                      </button>
                    </span>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.key}>
                  <th scope="row">{row.name}</th>
                  {row.cells.map((cell, i) => (
                    <td key={i} class={i === row.best ? 'is-best' : ''}>
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
              {differing.length > 0 && (
                <tr class="group">
                  <th scope="rowgroup" colSpan={runs.length + 1}>
                    {say('hparams.differing')}
                  </th>
                </tr>
              )}
              {differing.slice(0, 60).map((name) => (
                <tr key={`hp:${name}`}>
                  <th scope="row">
                    <Name limit={60}>{name}</Name>
                  </th>
                  {runs.map((r) => (
                    <td key={r.run}>
                      <Name limit={60}>{scalar(r.hparams[name], 60)}</Name>
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {names.length > differing.length && <p class="muted">{say('compare.same', { n: names.length - differing.length })}</p>}
      </section>
    </main>
  );
}

function tableRows(runs: readonly RunReport[], say: Say): Row[] {
  const digits = places(runs.map((r) => r.best?.value));
  const greater = runs[0]?.best?.greater_is_better ?? false;
  const sameMetric = new Set(runs.map((r) => r.best?.metric)).size === 1;
  const best = runs.map((r) => wire(r.best?.value));
  const rows: Row[] = [
    {
      key: 'verdict',
      name: say('col.verdict'),
      cells: runs.map((r) => (
        <span class="with-mark">
          <LevelMark level={r.verdict.level} say={say} />{' '}
          <span>
            {say.known('label', r.verdict.label)} <span class="muted">{percent(r.verdict.confidence)}</span>
          </span>
        </span>
      )),
    },
    { key: 'headline', name: say('compare.why'), cells: runs.map((r) => <span class="headline-cell">{r.verdict.headline}</span>) },
    { key: 'best', name: sameMetric ? say('fact.best', { metric: runs[0]?.best?.metric ?? '' }) : say('col.best'), cells: runs.map((r) => fixed(r.best?.value, digits)), best: sameMetric ? bestOf(best, greater) : -1 },
    { key: 'step', name: say('col.best_step'), cells: runs.map((r) => int(r.best?.step)) },
    { key: 'gap', name: say('fact.gap'), cells: runs.map((r) => fixed(r.best?.gap, 3)) },
  ];
  if (runs.some((r) => r.best?.perplexity != null)) rows.push({ key: 'ppl', name: say('fact.perplexity'), cells: runs.map((r) => fixed(r.best?.perplexity, 2)) });
  rows.push(
    { key: 'signals', name: say('signals'), cells: runs.map((r) => <SignalGrid signals={r.signals} say={say} />) },
    { key: 'state', name: say('fact.state'), cells: runs.map((r) => say.known('state', r.status.state)) },
    { key: 'last', name: say('fact.step'), cells: runs.map((r) => int(r.status.last_step)) },
    { key: 'time', name: say('fact.time'), cells: runs.map((r) => duration(r.cost?.active_seconds ?? r.cost?.wall_seconds, say.lang)) },
    { key: 'per_step', name: say('fact.per_step'), cells: runs.map((r) => (r.cost?.seconds_per_step == null ? '–' : duration(r.cost.seconds_per_step, say.lang))) },
    { key: 'profile', name: say('fact.profile'), cells: runs.map((r) => r.profile.id) },
  );
  return rows;
}
