/** One chart: uPlot for lines, axes and zoom; our own marks drawn under and over them. */
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { clock, clockTicks, duration, int, logTicks, num, short, stepTicks, ticks } from '../format';
import type { Say } from '../i18n';
import type { Level, Wire } from '../types';
import { align, crossing, describe, nearest, yRange, type AxisMap, type Line, type Panel } from './data';

export interface Marks {
  onset: { x: number; level: Level } | null;
  restarts: number[];
  checkpoints: { x: number; onDisk: boolean; recommended: boolean }[];
  focus: [number, number] | null;
}

export const NO_MARKS: Marks = { onset: null, restarts: [], checkpoints: [], focus: null };

interface Props {
  panel: Panel;
  axis: AxisMap;
  range: [number, number];
  zoom: [number, number] | null;
  onZoom: (range: [number, number] | null) => void;
  marks: Marks;
  height: number;
  log: boolean;
  clip: boolean | null;
  sync: string;
  theme: string;
  say: Say;
  compact?: boolean;
  /** the readout has a line of its own: for many lines with long names */
  below?: boolean;
  inks?: Record<string, string>;
}

/** What the drawing hooks read: replaced on every render, so that uPlot itself need not be made anew. */
interface Scene {
  panel: Panel;
  marks: Marks;
  cut: number;
  say: Say;
}

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK KR", "Malgun Gothic", sans-serif';

export function Chart(props: Props) {
  const { panel, axis, range, zoom, log, clip, height, theme, say, compact = false, below = false } = props;
  const onset = props.marks.onset?.x ?? null;
  const box = useRef<HTMLDivElement>(null);
  const readout = useRef<HTMLSpanElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;

  const table = useMemo(() => align(panel.lines, log), [panel, log]);
  const window_ = zoom ?? range;
  const { range: [low, high], cut } = useMemo(() => yRange(panel, window_[0], window_[1], log, clip, onset), [panel, window_[0], window_[1], log, clip, onset]);
  const scene = useRef<Scene>({ panel, marks: props.marks, cut, say });
  scene.current = { panel, marks: props.marks, cut, say };
  const scales = useRef({ x: window_, y: [low, high] as [number, number] });
  scales.current = { x: window_, y: [low, high] };

  // A new plot only when its shape changes; new data and zooms go into the one that stands.
  const shape = `${panel.id}|${panel.lines.map((l) => `${l.id}${l.style}${l.ink}`).join()}|${log}|${axis.kind}|${theme}|${say.lang}|${height}`;

  useLayoutEffect(() => {
    const target = box.current;
    if (!target) return undefined;
    const ink = inkReader(target, latest.current.inks);
    const write = (): void => writeReadout(plot.current, readout.current, latest.current);
    const options: uPlot.Options = {
      width: Math.max(120, target.clientWidth),
      height,
      class: 'plot',
      legend: { show: false },
      ...(latest.current.inks ? { focus: { alpha: 0.25 } } : {}),
      padding: [10, () => Math.max(compact ? 14 : endSpace(panel.lines), 4 + xWidth(scales.current.x, latest.current) / 2), 0, 0],
      scales: {
        x: { time: axis.kind === 'wall', range: () => scales.current.x },
        y: { distr: log ? 3 : 1, range: () => scales.current.y },
      },
      cursor: {
        sync: { key: props.sync, setSeries: false, scales: ['x', null] },
        drag: { x: true, y: false, setScale: false, dist: 4 },
        points: { size: 7 },
        // Among the lines of several runs the nearest one stands out.
        ...(latest.current.inks ? { focus: { prox: 24 } } : {}),
        y: false,
        bind: { dblclick: () => () => { latest.current.onZoom(null); return null; } },
        dataIdx: (u, series, hovered, at) => (series === 0 ? hovered : nearest(u.data[0] as number[], u.data[series] as (number | null)[], at, hovered) ?? hovered),
      },
      axes: [
        {
          stroke: ink('muted'),
          font: FONT,
          grid: { show: false },
          ticks: { stroke: ink('line'), width: 1, size: 4 },
          border: { show: true, stroke: ink('line-strong'), width: 1 },
          size: 26,
          gap: 3,
          // As far apart as their words need: fewer ticks are better than ticks on one another.
          space: (_u, _axis, low, high) => (compact ? 10 : 30) + xWidth([low, high], latest.current),
          incrs: axis.kind === 'wall' ? TIME_INCRS.filter((i) => i >= 1) : axis.kind === 'relative' ? TIME_INCRS : axis.kind === 'step' ? STEP_INCRS : EPOCH_INCRS,
          values: (u, splits, _axis, _space, gap) => xLabels(splits, u.scales['x']?.max ?? 0, gap, latest.current),
        },
        {
          stroke: ink('muted'),
          font: FONT,
          grid: { stroke: ink('line'), width: 1 },
          ticks: { show: false },
          // As wide as the longest label, so that the plots of a row need not give way to the widest of all.
          size: (_u, labels) => Math.max(compact ? 44 : 36, 14 + 6.4 * Math.max(0, ...(labels ?? []).map((l) => l.length))),
          gap: 6,
          space: compact ? 22 : 38,
          ...(log ? { filter: (u: uPlot, splits: number[]) => logTicks(splits, (v) => u.valToPos(v, 'y'), compact ? 18 : 22) } : {}),
          values: (_u, splits) => ticks(splits),
        },
      ],
      series: [{}, ...panel.lines.map((line): uPlot.Series => seriesOf(line, ink))],
      hooks: {
        drawClear: [(u) => drawUnder(u, scene.current, ink)],
        draw: [(u) => drawOver(u, scene.current, ink, compact)],
        setCursor: [write],
        setSelect: [
          (u) => {
            if (u.select.width < 4) return;
            const from = u.posToVal(u.select.left, 'x');
            const to = u.posToVal(u.select.left + u.select.width, 'x');
            u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            latest.current.onZoom([from, to]);
          },
        ],
      },
    };
    const made = new uPlot(options, [table.x, ...table.ys] as uPlot.AlignedData, target);
    plot.current = made;
    write();
    const resize = new ResizeObserver(() => {
      // A hidden tab has no width: keep the last size and measure again when it is shown.
      if (target.clientWidth > 0 && target.clientWidth !== made.width) made.setSize({ width: target.clientWidth, height });
    });
    resize.observe(target);
    return () => {
      resize.disconnect();
      plot.current = null;
      made.destroy();
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData([table.x, ...table.ys] as uPlot.AlignedData);
    writeReadout(plot.current, readout.current, latest.current);
  }, [table, low, high, window_[0], window_[1]]);

  useEffect(() => {
    plot.current?.redraw(false);
  }, [props.marks]);

  const onKeyDown = (event: KeyboardEvent): void => {
    const u = plot.current;
    if (!u || (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight')) return;
    event.preventDefault();
    event.stopPropagation();
    const width = u.bbox.width / devicePixelRatio;
    const now = u.cursor.left !== undefined && u.cursor.left >= 0 ? u.cursor.left : event.key === 'ArrowRight' ? -1 : width;
    const move = (event.shiftKey ? 0.1 : 0.01) * width * (event.key === 'ArrowRight' ? 1 : -1);
    point(u, Math.min(width, Math.max(0, now + move)));
  };

  const onPointerMove = (event: PointerEvent): void => {
    const u = plot.current;
    if (!u || event.pointerType !== 'touch') return;
    point(u, event.clientX - u.over.getBoundingClientRect().left);
  };

  return (
    <figure class={`chart${compact ? ' compact' : ''}${below ? ' below' : ''}`}>
      <figcaption>
        <span class="chart-title" title={panel.title}>{panel.title}</span>
        <span class="readout" ref={readout} aria-live="off" />
      </figcaption>
      <div
        ref={box}
        class="plot-box"
        style={{ height: `${height}px` }}
        role="img"
        tabIndex={0}
        aria-label={describe(panel, say, (v) => num(v), int)}
        onKeyDown={onKeyDown}
        onPointerMove={onPointerMove}
      />
    </figure>
  );
}

/** Moves the crosshair, here and in the charts that follow it (uPlot's third argument, which its types leave out). */
function point(u: uPlot, left: number): void {
  (u.setCursor as (at: { left: number; top: number }, fire: boolean, publish: boolean) => void)({ left, top: 0 }, true, true);
}

type InkOf = (name: string, alpha?: number) => string;

function inkReader(element: HTMLElement, own: Record<string, string> | undefined): InkOf {
  const style = getComputedStyle(element);
  return (name, alpha) => {
    const colour = own?.[name] ?? (style.getPropertyValue(`--${name}`).trim() || '#888888');
    if (alpha === undefined || !colour.startsWith('#')) return colour;
    // The style sheet is minified: #ffffff comes as #fff.
    const whole = colour.length === 4 ? `#${[...colour.slice(1)].map((c) => c + c).join('')}` : colour;
    return whole + Math.round(alpha * 255).toString(16).padStart(2, '0');
  };
}

function seriesOf(line: Line, ink: InkOf): uPlot.Series {
  const colour = ink(line.ink);
  const faint = line.style === 'faint';
  return {
    label: line.label,
    stroke: faint ? ink(line.ink, 0.45) : colour,
    width: faint ? 1 : 2,
    spanGaps: false,
    points:
      line.style === 'marked'
        ? { show: true, size: 6, fill: colour, stroke: colour, width: 0 }
        : { show: true, size: faint ? 3 : 5, fill: colour, stroke: colour, width: 0, filter: lonely },
  };
}

/** A point between two missing ones has no line to either side: it must be seen all the same. */
function lonely(u: uPlot, series: number): number[] {
  const column = u.data[series] as (number | null | undefined)[];
  const out: number[] = [];
  let before: number | null | undefined = null;
  for (let i = 0; i < column.length; i += 1) {
    const value = column[i];
    if (value === undefined) continue;
    if (value !== null && before === null) {
      let j = i + 1;
      while (j < column.length && column[j] === undefined) j += 1;
      if (j >= column.length || column[j] === null) out.push(i);
    }
    before = value;
  }
  return out;
}

function endSpace(lines: readonly Line[]): number {
  const longest = Math.max(0, ...lines.filter((l) => l.named).map((l) => Math.min(l.label.length, 18) * (/[\u1100-\uffff]/.test(l.label) ? 1.7 : 1)));
  return 14 + longest * 6.2;
}

const powers = (from: number, to: number, factors: readonly number[]): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => factors.map((f) => Number((f * 10 ** (from + i)).toPrecision(3)))).flat();

const STEP_INCRS = [1, 2, 5, ...powers(1, 12, [1, 2, 2.5, 5])];
const EPOCH_INCRS = powers(-4, 6, [1, 2, 5]);
/** Seconds, minutes, hours and days that a person counts in: with others the rounded labels would lie. */
const TIME_INCRS = [0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000, 2592000, 8640000];

function xLabels(splits: number[], most: number, gap: number, props: Props): string[] {
  const { kind } = props.axis;
  if (kind === 'relative') return splits.map((v) => (v === 0 ? '0' : duration(v, props.say.lang)));
  if (kind === 'wall') return clockTicks(splits, gap, props.say.lang);
  if (kind === 'epoch') return splits.map((v) => String(Math.round(v * 1000) / 1000));
  return stepTicks(splits, most, props.compact === true);
}

/** About how wide the labels of an axis are, in pixels. */
function xWidth([low, high]: readonly [number, number], props: Props): number {
  const { kind } = props.axis;
  const { lang } = props.say;
  const letters = (text: string): number => [...text].reduce((n, c) => n + (c > '\u1100' ? 11 : 6.4), 0);
  if (kind === 'wall') return letters(clockTicks([high], (high - low) / 8, lang)[0]!);
  if (kind === 'relative') return letters(high >= 86400 ? duration(126000, lang) : high >= 3600 ? duration(high - low < 4 * 3600 ? 5400 : 36000, lang) : duration(600, lang));
  if (kind === 'epoch') return letters(String(Math.round(high * (high - low < 5 ? 10 : 1)) / (high - low < 5 ? 10 : 1)));
  const zoomed = high >= 1e6 && high - low < high / 4 ? 2 : 0;
  return letters(stepTicks([Math.round(high)], high, props.compact === true)[0]!.replace(/\..*(?=[kM])/, '')) + 6.4 * zoomed;
}

function xValue(x: number, step: number, props: Props): string {
  const { say, axis } = props;
  const first = `${say('x.step')} ${int(Math.round(step))}`;
  if (axis.kind === 'epoch') return `${first} · ${say('x.epoch')} ${num(x, 3)}`;
  if (axis.kind === 'relative') return `${first} · ${duration(x, say.lang)}`;
  if (axis.kind === 'wall') return `${first} · ${clock(x, say.lang)}`;
  return first;
}

/** Values at the crosshair, or the last ones. Written straight into the page: it changes with every move of the hand. */
function writeReadout(u: uPlot | null, target: HTMLElement | null, props: Props): void {
  if (!u || !target) return;
  const parts: [string, string, string][] = [];
  const over = u.cursor.left !== undefined && u.cursor.left >= 0 && u.cursor.idx !== null && u.cursor.idx !== undefined;
  const xs = u.data[0] as number[];
  const cursor = over ? u.posToVal(u.cursor.left!, 'x') : null;
  const edge = (props.zoom ?? props.range)[1];
  let at: number | null = cursor;
  const several = props.panel.lines.filter((l) => l.named).length > 1;
  const write = (v: number): string => (props.compact ? short(v, several ? 3 : 4) : num(v));
  props.panel.lines.forEach((line, i) => {
    if (!line.named) return;
    const column = u.data[i + 1] as (number | null | undefined)[];
    let last = xs.length - 1;
    if (cursor === null) while (last > 0 && xs[last]! > edge) last -= 1;
    const found = cursor !== null ? u.cursor.idxs?.[i + 1] ?? null : nearest(xs, column, -Infinity, last);
    const value = found === null || found === undefined ? undefined : column[found];
    // Where NaN was logged nearer than any number, NaN is the value.
    const wanted = cursor ?? edge;
    const lost = props.panel.nonfinite.filter((m) => m.line === line.id && m.x <= edge).reduce<{ x: number; what: string } | null>((a, b) => (a && Math.abs(a.x - wanted) <= Math.abs(b.x - wanted) ? a : b), null);
    const numeric = value !== null && value !== undefined;
    if (lost && (!numeric || Math.abs(lost.x - wanted) < Math.abs(xs[found!]! - wanted))) {
      parts.push([line.ink, several ? line.label : '', num(lost.what as Wire)]);
      at ??= lost.x;
    } else if (numeric) {
      parts.push([line.ink, several ? line.label : '', write(value)]);
      at ??= xs[found!]!;
    }
  });
  const nodes: Node[] = [];
  if (at !== null && !props.compact) nodes.push(span('at', xValue(at, props.axis.back(at), props)));
  for (const [ink, label, value] of parts) {
    const item = span('value', '');
    if (label) {
      const key = span('key', label);
      key.style.color = props.inks?.[ink] ?? `var(--${ink}-text)`;
      item.append(key);
    }
    item.append(span(/[\d–]/.test(value) ? 'number' : 'number problem', value));
    nodes.push(item);
  }
  target.replaceChildren(...nodes);
}

function span(name: string, text: string): HTMLSpanElement {
  const element = document.createElement('span');
  element.className = name;
  element.textContent = text;
  return element;
}

// --- marks ----------------------------------------------------------------------------------------------------------

function drawUnder(u: uPlot, scene: Scene, ink: InkOf): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const px = devicePixelRatio;
  const inside = (x: number): boolean => x >= left - 1 && x <= left + width + 1;
  ctx.save();
  ctx.beginPath();
  // A line at the very end belongs to the plot.
  ctx.rect(left - px, top, width + 2 * px, height);
  ctx.clip();

  const { onset, restarts, focus } = scene.marks;
  if (onset) {
    const x = Math.max(left, u.valToPos(onset.x, 'x', true));
    if (x < left + width) {
      ctx.fillStyle = ink(onset.level, 0.09);
      ctx.fillRect(x, top, left + width - x, height);
    }
  }
  if (focus) {
    const from = u.valToPos(focus[0], 'x', true);
    const to = Math.max(from + 3 * px, u.valToPos(focus[1], 'x', true));
    ctx.fillStyle = ink('accent', 0.07);
    ctx.fillRect(from, top, to - from, height);
    ctx.fillStyle = ink('accent');
    ctx.fillRect(from, top, to - from, 3 * px);
  }

  const { bands } = scene.panel;
  if (bands.length > 1) {
    ctx.fillStyle = ink('eval', 0.1);
    ctx.beginPath();
    bands.forEach((b, i) => {
      const x = u.valToPos(b.x, 'x', true);
      const y = u.valToPos(Math.max(b.high, u.scales['y']!.min ?? b.high), 'y', true);
      if (i === 0) ctx.moveTo(x, y);
      else ctx.lineTo(x, y);
    });
    for (const b of [...bands].reverse()) ctx.lineTo(u.valToPos(b.x, 'x', true), u.valToPos(Math.max(b.low, u.scales['y']!.min ?? b.low), 'y', true));
    ctx.closePath();
    ctx.fill();
  }

  ctx.setLineDash([4 * px, 4 * px]);
  ctx.strokeStyle = ink('muted');
  ctx.lineWidth = px;
  for (const restart of restarts) {
    const x = Math.round(u.valToPos(restart, 'x', true)) + 0.5;
    if (inside(x)) line(ctx, x, top, x, top + height);
  }
  if (onset) {
    const x = Math.round(u.valToPos(onset.x, 'x', true)) + 0.5;
    if (inside(x)) {
      ctx.setLineDash([]);
      ctx.strokeStyle = ink(onset.level);
      line(ctx, x, top, x, top + height);
    }
  }
  ctx.restore();
}

function drawOver(u: uPlot, scene: Scene, ink: InkOf, compact: boolean): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const px = devicePixelRatio;
  const inside = (x: number): boolean => x >= left - 1 && x <= left + width + 1;
  const { panel, marks, say } = scene;
  ctx.save();
  ctx.font = FONT.replace('11px', `${11 * px}px`);
  ctx.textBaseline = 'middle';

  if (panel.level) {
    const y = u.valToPos(panel.level.value, 'y', true);
    if (y >= top && y <= top + height) {
      ctx.strokeStyle = ink('muted');
      ctx.lineWidth = px;
      ctx.setLineDash([3 * px, 3 * px]);
      line(ctx, left, y, left + width, y);
      ctx.setLineDash([]);
      tag(ctx, panel.level.label, left + width - 3 * px, y - 9 * px < top ? y + 9 * px : y - 9 * px, ink, px);
    }
  }

  // NaN and infinities: a cross at the top edge for each place, one where many fall on one pixel.
  let lastX = -Infinity;
  ctx.strokeStyle = ink('bad');
  ctx.lineWidth = 1.75 * px;
  for (const mark of [...panel.nonfinite].sort((a, b) => a.x - b.x)) {
    const x = u.valToPos(mark.x, 'x', true);
    if (!inside(x) || x - lastX < 5 * px) continue;
    lastX = x;
    // Among several runs a cross has the colour of its run.
    if (panel.id.startsWith('overlay')) ctx.strokeStyle = ink(panel.lines.find((l) => l.id === mark.line)?.ink ?? 'bad');
    const y = top + 6 * px;
    const r = 3.5 * px;
    line(ctx, x - r, y - r, x + r, y + r);
    line(ctx, x - r, y + r, x + r, y - r);
  }
  if (!compact && panel.nonfinite.length > 0) {
    const first = Math.max(left, u.valToPos(Math.min(...panel.nonfinite.map((m) => m.x)), 'x', true));
    const right = first > left + width * 0.6;
    ctx.fillStyle = ink('bad-text');
    ctx.textAlign = right ? 'right' : 'left';
    if (inside(first)) word(ctx, say('chart.nonfinite', { n: int(panel.nonfinite.length) }), first + (right ? -9 : 9) * px, top + 20 * px, ink, px);
  }

  if (scene.cut > 0) {
    ctx.fillStyle = ink('muted');
    ctx.textAlign = 'right';
    word(ctx, say('chart.cut', { n: int(scene.cut) }), left + width - 4 * px, top + (panel.nonfinite.length > 0 ? 20 : 8) * px, ink, px);
  }

  if (!compact) {
    if (marks.onset) {
      const x = u.valToPos(marks.onset.x, 'x', true);
      if (inside(x)) {
        const right = x > left + width * 0.85;
        ctx.fillStyle = ink(`${marks.onset.level}-text`);
        ctx.textAlign = right ? 'right' : 'left';
        if (panel.nonfinite.length === 0) word(ctx, say('chart.onset'), x + (right ? -5 : 5) * px, top + 8 * px, ink, px);
      }
    }
    // Losses fall: the top is where a word is least in the way. One that would lie on another is left out.
    const room = ctx.measureText(say('chart.restart')).width + 8 * px;
    const onsetAt = marks.onset ? u.valToPos(marks.onset.x, 'x', true) : -Infinity;
    let taken = -Infinity;
    for (const restart of [...marks.restarts].sort((a, b) => a - b)) {
      const x = u.valToPos(restart, 'x', true);
      if (!inside(x) || x < taken) continue;
      taken = x + room;
      const right = x > left + width - room;
      ctx.fillStyle = ink('muted');
      ctx.textAlign = right ? 'right' : 'left';
      word(ctx, say('chart.restart'), x + (right ? -4 : 4) * px, top + (panel.nonfinite.length > 0 ? 34 : Math.abs(x - onsetAt) < 2 * room ? 22 : 8) * px, ink, px);
    }
    // Where nothing was saved, hollow marks at every evaluation would say nothing that its points do not.
    const saved = marks.checkpoints.some((c) => c.onDisk);
    for (const point of marks.checkpoints) {
      const x = u.valToPos(point.x, 'x', true);
      if (!saved || !inside(x) || point.recommended) continue;
      ctx.beginPath();
      ctx.moveTo(x - 3.5 * px, top + height);
      ctx.lineTo(x + 3.5 * px, top + height);
      ctx.lineTo(x, top + height - 7 * px);
      ctx.closePath();
      ctx.lineWidth = px;
      ctx.strokeStyle = ink('muted');
      ctx.fillStyle = point.onDisk ? ink('muted') : ink('surface');
      ctx.fill();
      ctx.stroke();
    }
    const chosen = marks.checkpoints.find((c) => c.recommended);
    if (chosen) {
      const x = u.valToPos(chosen.x, 'x', true);
      if (inside(x)) star(ctx, x, top + height - 8 * px, 7 * px, ink('ok'), ink('surface'));
    }
    endLabels(u, panel.lines, ink, chosen ? u.valToPos(chosen.x, 'x', true) : -Infinity);
  }
  ctx.restore();
}

/** Names at the ends of the lines, pushed apart where they would lie on one another. */
function endLabels(u: uPlot, lines: readonly Line[], ink: InkOf, starAt: number): void {
  const { ctx } = u;
  const { left, top, width, height } = u.bbox;
  const px = devicePixelRatio;
  const { max } = u.scales['x']!;
  const places = lines.flatMap((l) => {
    const drawn = lines.find((o) => o.id === `${l.id}.trend`) ?? l;
    if (!l.named) return [];
    const beyond = max === undefined ? null : crossing(drawn, max);
    for (let i = drawn.x.length - 1; i >= 0; i -= 1) {
      const y = beyond ?? drawn.y[i];
      if (y === null || y === undefined || (beyond === null && drawn.x[i]! > (max ?? Infinity))) continue;
      const pos = u.valToPos(y, 'y', true);
      const end = beyond !== null ? left + width : Math.min(left + width, u.valToPos(drawn.x[i]!, 'x', true));
      return Number.isFinite(pos) ? [{ end, label: l.label.length > 18 ? `${l.label.slice(0, 17)}…` : l.label, ink: l.ink, y: Math.min(top + height - 6 * px, Math.max(top + 6 * px, pos)) }] : [];
    }
    return [];
  });
  places.sort((a, b) => a.y - b.y);
  // Only names that end at about the same place can lie on one another.
  const near = (a: number, b: number): boolean => Math.abs(places[a]!.end - places[b]!.end) < 90 * px;
  for (let i = 1; i < places.length; i += 1)
    for (let j = i - 1; j >= 0; j -= 1) if (near(i, j)) places[i]!.y = Math.max(places[i]!.y, places[j]!.y + 13 * px);
  const lowest = top + height - 6 * px;
  for (let i = places.length - 1; i >= 0; i -= 1) {
    places[i]!.y = Math.min(places[i]!.y, lowest);
    for (let j = i + 1; j < places.length; j += 1) if (near(i, j)) places[i]!.y = Math.min(places[i]!.y, places[j]!.y - 13 * px);
  }
  ctx.textAlign = 'left';
  for (const p of places) {
    ctx.fillStyle = ink(`${p.ink}-text`) === '#888888' ? ink(p.ink) : ink(`${p.ink}-text`);
    word(ctx, p.label, p.end + (Math.abs(p.end - starAt) < 6 * px ? 11 : 6) * px, p.y, ink, px);
  }
}

/** A word that lines may run behind: with an edge in the colour of the ground. */
function word(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, ink: InkOf, px: number): void {
  ctx.strokeStyle = ink('surface', 0.85);
  ctx.lineWidth = 3 * px;
  ctx.lineJoin = 'round';
  ctx.setLineDash([]);
  ctx.strokeText(text, x, y);
  ctx.fillText(text, x, y);
}

/** A word over the lines, on a ground of its own so that it can be read. */
function tag(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, ink: InkOf, px: number): void {
  const width = ctx.measureText(text).width;
  ctx.fillStyle = ink('surface', 0.8);
  ctx.fillRect(x - width - 2 * px, y - 7 * px, width + 4 * px, 13 * px);
  ctx.fillStyle = ink('muted');
  ctx.textAlign = 'right';
  ctx.fillText(text, x, y);
}

function line(ctx: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
}

function star(ctx: CanvasRenderingContext2D, x: number, y: number, r: number, fill: string, edge: string): void {
  ctx.beginPath();
  for (let i = 0; i < 10; i += 1) {
    const radius = i % 2 === 0 ? r : r * 0.45;
    const angle = (Math.PI / 5) * i - Math.PI / 2;
    const px = x + radius * Math.cos(angle);
    const py = y + radius * Math.sin(angle);
    if (i === 0) ctx.moveTo(px, py);
    else ctx.lineTo(px, py);
  }
  ctx.closePath();
  ctx.lineWidth = 3;
  ctx.strokeStyle = edge;
  ctx.stroke();
  ctx.fillStyle = fill;
  ctx.fill();
}
