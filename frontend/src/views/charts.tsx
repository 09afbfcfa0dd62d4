/** The charts of a run: the main one, the small ones under it, and the controls they share. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import { axes, axisMap, mainPanel, smallPanels, spread, xRange, yRange, type Panel } from '../chart/data';
import { Chart, type Marks, NO_MARKS } from '../chart/chart';
import type { Say } from '../i18n';
import type { Source } from '../source';
import type { Curve, RunReport } from '../types';
import type { ViewState, XAxis, YAxis } from '../urlstate';
import { Choice } from './parts';

interface Props {
  run: RunReport;
  view: ViewState;
  change: (part: Partial<ViewState>) => void;
  focus: [number, number] | null;
  source: Source;
  theme: string;
  say: Say;
}

const FETCH_AFTER = 250; // ms of rest before finer curves are asked for

/** While zoomed in, curves that were thinned are replaced by finer ones of that part. */
function useFiner(run: RunReport, zoom: readonly [number, number] | null, source: Source): Record<string, Curve> {
  const curves = run.curves ?? {};
  const [finer, setFiner] = useState<{ of: string; curves: Record<string, Curve> } | null>(null);
  const thinned = Object.values(curves).some((c) => c.thinned);
  const key = zoom ? `${run.run}\u0000${zoom.join('~')}` : '';
  useEffect(() => {
    if (!zoom || !thinned || !source.live) return undefined;
    let stopped = false;
    const timer = window.setTimeout(() => {
      source
        .series(run.run, Math.floor(zoom[0]), Math.ceil(zoom[1]), Math.max(300, Math.round(window.innerWidth)))
        .then((found) => {
          if (!stopped && found) setFiner({ of: key, curves: found });
        })
        // The coarse curves stay on screen; the live loop reports a lost connection.
        .catch((error: unknown) => console.warn('no finer curves:', error));
    }, FETCH_AFTER);
    return () => {
      stopped = true;
      window.clearTimeout(timer);
    };
  }, [key, thinned, run, source]);
  return useMemo(() => (finer && finer.of === key ? { ...curves, ...finer.curves } : curves), [finer, key, curves]);
}

export function Charts({ run, view, change, focus, source, theme, say }: Props) {
  const whole = run.curves ?? {};
  const curves = useFiner(run, view.zoom, source);
  const kinds = useMemo(() => axes(Object.values(whole)), [whole]);
  const kind: XAxis = kinds.includes(view.x) ? view.x : 'step';
  const axis = useMemo(() => axisMap(Object.values(whole), kind), [whole, kind]);
  const main = useMemo(() => mainPanel(run, curves, axis, say, source.live), [run, curves, axis, say, source.live]);
  const small = useMemo(() => smallPanels(run, curves, axis, say, main), [run, curves, axis, say, main]);
  // The range is that of the whole run, also while finer curves of a part are shown.
  const range = useMemo(() => {
    const first = mainPanel(run, whole, axis, say);
    const [low, high] = xRange([...(first ? [first] : []), ...smallPanels(run, whole, axis, say, first)]);
    const pad = axis.kind === 'step' ? 0 : (high - low) * 0.005;
    return [low, high + pad] as [number, number];
  }, [run, whole, axis, say]);
  const marks = useMemo<Marks>(
    () => ({
      onset: run.verdict.onset_step === null || run.verdict.level === 'ok' ? null : { x: axis.at(run.verdict.onset_step), level: run.verdict.level },
      restarts: run.restarts.map((r) => axis.at(r.step)),
      checkpoints: run.checkpoints.map((c) => ({ x: axis.at(c.step), onDisk: c.on_disk, recommended: c.recommended })),
      focus: focus ? [axis.at(focus[0]), axis.at(focus[1])] : null,
    }),
    [run, axis, focus],
  );
  const smallMarks = useMemo<Marks>(() => ({ ...NO_MARKS, onset: marks.onset, restarts: marks.restarts, focus: marks.focus }), [marks]);

  const log = (panel: Panel): boolean => view.y === 'log' && panel.id !== 'gap' && spread(panel);
  const window_ = view.zoom ? ([axis.at(view.zoom[0]), axis.at(view.zoom[1])] as const) : range;
  // The box shows whether anything is cut: by the reader's choice, or because the start lies too far off.
  const cuts = useMemo(
    () => view.clip ?? [...(main ? [main] : []), ...small].some((p) => yRange(p, window_[0], window_[1], log(p), null, marks.onset?.x ?? null).cut > 0),
    [view.clip, view.y, main, small, window_[0], window_[1], marks.onset],
  );

  if (!main && small.length === 0) return <p class="muted">{say('chart.none')}</p>;

  const zoom: [number, number] | null = view.zoom ? [axis.at(view.zoom[0]), axis.at(view.zoom[1])] : null;
  const onZoom = (next: [number, number] | null): void => {
    if (!next) return change({ zoom: null });
    const [from, to] = [axis.back(Math.max(next[0], range[0])), axis.back(Math.min(next[1], range[1]))];
    change({ zoom: to > from ? [Number(from.toPrecision(8)), Number(to.toPrecision(8))] : null });
  };
  const by = (factor: number): void => {
    const [low, high] = zoom ?? range;
    const middle = (low + high) / 2;
    const half = ((high - low) / 2) * factor;
    const next: [number, number] = [Math.max(range[0], middle - half), Math.min(range[1], middle + half)];
    onZoom(next[0] <= range[0] && next[1] >= range[1] ? null : next);
  };
  const shared = { axis, range, zoom, onZoom, sync: `evalguide.${run.run}`, theme, say };

  return (
    <div class="charts">
      <div class="toolbar" role="toolbar" aria-label={say('chart.loss')}>
        {kinds.length > 1 && <Choice<XAxis> name={say('chart.x')} value={kind} options={kinds.map((k) => ({ value: k, text: say(`x.${k}`) }))} onChange={(x) => change({ x })} />}
        <Choice<YAxis> name={say('chart.y')} value={view.y} options={[{ value: 'linear', text: say('y.linear') }, { value: 'log', text: say('y.log') }]} onChange={(y) => change({ y })} />
        <label class="tick">
          <input type="checkbox" checked={cuts} onChange={(e) => change({ clip: e.currentTarget.checked })} /> {say('chart.fit')}
        </label>
        <span class="spring" />
        <span class="choice">
          <button type="button" onClick={() => by(0.5)} aria-label={say('chart.zoom.in')} title={say('chart.zoom.in')}>
            +
          </button>
          <button type="button" onClick={() => by(2)} aria-label={say('chart.zoom.out')} title={say('chart.zoom.out')} disabled={!zoom}>
            −
          </button>
          <button type="button" onClick={() => onZoom(null)} disabled={!zoom}>
            {say('chart.reset')}
          </button>
        </span>
      </div>
      {main && <Chart {...shared} panel={main} marks={marks} height={300} log={log(main)} clip={view.clip} />}
      {main?.note && <p class="muted under">{main.note}</p>}
      {small.length > 0 && (
        <div class="small-charts" style={{ '--columns': small.length <= 4 ? small.length : small.length % 4 === 1 || small.length === 6 ? 3 : 4 }}>
          {small.map((panel) => (
            <Chart key={panel.id} {...shared} panel={panel} marks={smallMarks} height={120} log={log(panel)} clip={view.clip} compact />
          ))}
        </div>
      )}
      <p class="muted under">{say('chart.help')}</p>
    </div>
  );
}
