/** All runs, worst first: a table that stays quick at a thousand rows, with filter, order and selection. */
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { age, aligned, int, percent, places, scalar } from '../format';
import type { Say } from '../i18n';
import { LEVELS, countLevels, hparamColumns, labelsOf, matcher, visibleRuns, windowOf } from '../table';
import type { Level, Report, RunSummary } from '../types';
import { MAX_SELECTED, type ViewState } from '../urlstate';
import { LevelMark, Name, SignalGrid, Sparkline } from './parts';

interface Props {
  report: Report;
  view: ViewState;
  change: (part: Partial<ViewState>) => void;
  colours: ReadonlyMap<string, string>;
  marked: string | null;
  mark: (run: string) => void;
  say: Say;
  overlay: ComponentChildren;
}

const ROW = 38; // px; one height for all, so that a row's place is known without measuring
const MAX_HPARAMS = 4;

export function Filters({ report, view, change, say }: Pick<Props, 'report' | 'view' | 'change' | 'say'>) {
  const { broken } = matcher(view.query, view.regex);
  const counts = countLevels(report.runs);
  const labels = labelsOf(report);
  const toggle = (level: Level): void => change({ levels: view.levels.includes(level) ? view.levels.filter((l) => l !== level) : [...view.levels, level] });
  const filtered = view.query !== '' || view.levels.length > 0 || view.label !== '';
  return (
    <div class="filters" role="search">
      <div class="levels" role="group" aria-label={say('filter.levels')}>
        {LEVELS.map((level) => (
          <button type="button" key={level} class={`chip ${level}`} aria-pressed={view.levels.includes(level)} disabled={counts[level] === 0} onClick={() => toggle(level)}>
            <LevelMark level={level} say={say} size={13} /> <b>{counts[level]}</b> {say.known('level', level)}
          </button>
        ))}
      </div>
      <div class="search">
        <input
          id="search"
          type="search"
          value={view.query}
          placeholder={say('search.hint')}
          aria-label={say('search')}
          aria-invalid={broken}
          aria-describedby={broken ? 'search-broken' : undefined}
          spellcheck={false}
          autocomplete="off"
          onInput={(e) => change({ query: e.currentTarget.value })}
        />
        <button type="button" class="regex" aria-pressed={view.regex} title={say('search.regex')} aria-label={say('search.regex')} onClick={() => change({ regex: !view.regex })}>
          .*
        </button>
      </div>
      {labels.length > 1 && (
        <select aria-label={say('filter.label')} value={view.label} onChange={(e) => change({ label: e.currentTarget.value })}>
          <option value="">{say('filter.all')}</option>
          {labels.map((label) => (
            <option key={label} value={label}>
              {say.known('label', label)}
            </option>
          ))}
        </select>
      )}
      {filtered && (
        <button type="button" class="quiet" onClick={() => change({ query: '', levels: [], label: '' })}>
          {say('filter.clear')}
        </button>
      )}
      {broken && (
        <span id="search-broken" class="problem" role="alert">
          {say('search.broken')}
        </span>
      )}
    </div>
  );
}

interface Column {
  key: string;
  title: string;
  cls: string;
  sortable: boolean;
  cell: (run: RunSummary) => ComponentChildren;
}

function useColumns(report: Report, change: Props['change'], colours: Props['colours'], say: Say): Column[] {
  return useMemo(() => {
    const best = Math.min(4, places(report.runs.map((r) => r.best?.value)));
    const now = Date.now() / 1000;
    const some = (test: (r: RunSummary) => boolean): boolean => report.runs.some(test);
    const columns: Column[] = [
      {
        key: 'verdict',
        title: say('col.verdict'),
        cls: 'c-verdict',
        sortable: true,
        cell: (r) => (
          <span class="with-mark" title={r.verdict.headline}>
            <LevelMark level={r.verdict.level} say={say} /> <span class="cut">{say.known('label', r.verdict.label)}</span>
            {r.mode === 'sampled' && <span class="muted"> {say('sampled.short')}</span>}
          </span>
        ),
      },
      {
        key: 'run',
        title: say('col.run'),
        cls: 'c-run',
        sortable: true,
        cell: (r) => {
          const colour = r.tb_runs.map((t) => colours.get(t)).find(Boolean);
          return (
            <span class="run-cell">
              <button type="button" class="open" onClick={() => change({ view: 'run', run: r.run, zoom: null })}>
              {colour && <span class="dot" style={{ background: colour }} />}
              <Name>{r.run}</Name>
              </button>
              <span class="why-row" aria-hidden="true">
                {r.verdict.headline}
              </span>
            </span>
          );
        },
      },
      { key: 'confidence', title: say('col.confidence'), cls: 'c-num c-sure r', sortable: true, cell: (r) => percent(r.verdict.confidence) },
      { key: 'curve', title: say('col.curve'), cls: 'c-curve', sortable: false, cell: (r) => <Sparkline train={r.sparkline.train} evals={r.sparkline.eval} /> },
      { key: 'best', title: say('col.best'), cls: 'c-num r', sortable: true, cell: (r) => <span title={r.best?.metric ?? ''}>{aligned(r.best?.value, best)}</span> },
      { key: 'best_step', title: say('col.best_step'), cls: 'c-num c-step r', sortable: true, cell: (r) => int(r.best?.step) },
      { key: 'signals', title: say('col.signals'), cls: 'c-signals', sortable: true, cell: (r) => <SignalGrid signals={r.signals} say={say} /> },
    ];
    if (some((r) => r.status.progress !== null || r.status.state === 'running'))
      columns.push({
        key: 'progress',
        title: say('col.progress'),
        cls: 'c-progress',
        sortable: true,
        cell: (r) => (
          <span class={`progress ${r.status.state}`} title={r.status.reason}>
            {r.status.progress !== null && (
              <span class="bar" aria-hidden="true">
                <span style={{ width: `${Math.round(Math.min(1, Math.max(0, r.status.progress)) * 100)}%` }} />
              </span>
            )}
            <span class="muted">{r.status.state === 'unknown' && r.status.progress === null ? '–' : r.status.state === 'running' && r.status.progress !== null ? percent(r.status.progress) : say.known('state', r.status.state)}</span>
          </span>
        ),
      });
    if (some((r) => r.status.last_wall_time !== null))
      columns.push({ key: 'age', title: say('col.age'), cls: 'c-age r', sortable: true, cell: (r) => (r.status.last_wall_time === null ? '–' : say('ago', { time: age(Math.max(0, now - r.status.last_wall_time), say.lang) })) });
    for (const name of hparamColumns(report, MAX_HPARAMS))
      columns.push({ key: `hp:${name}`, title: name, cls: 'c-hp r', sortable: true, cell: (r) => <Name limit={24}>{scalar(r.hparams[name], 24)}</Name> });
    return columns;
  }, [report, change, colours, say]);
}

export function Overview({ report, view, change, colours, marked, mark, say, overlay }: Props) {
  const runs = useMemo(() => visibleRuns(report, view), [report, view.query, view.regex, view.levels, view.label, view.sort, view.descending]);
  const columns = useColumns(report, change, colours, say);
  const scroller = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ top: 0, height: 800 });
  const [limit, setLimit] = useState(false);
  const selected = useMemo(() => new Set(view.selected), [view.selected]);

  useLayoutEffect(() => {
    const box = scroller.current;
    if (!box) return undefined;
    const measure = (): void => setPlace((old) => (box.clientHeight === 0 || (old.top === box.scrollTop && old.height === box.clientHeight) ? old : { top: box.scrollTop, height: box.clientHeight }));
    measure();
    box.addEventListener('scroll', measure, { passive: true });
    const resize = new ResizeObserver(measure);
    resize.observe(box);
    return () => {
      box.removeEventListener('scroll', measure);
      resize.disconnect();
    };
  }, []);

  // The marked row stays in sight when it moves by keyboard.
  const index = marked === null ? -1 : runs.findIndex((r) => r.run === marked);
  useEffect(() => {
    const box = scroller.current;
    if (!box || index < 0) return;
    const top = index * ROW;
    const head = 34;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + ROW + head > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW + head - box.clientHeight;
  }, [index]);

  const [first, last] = windowOf(runs.length, ROW, place.top, place.height);
  const toggle = (run: string): void => {
    const on = selected.has(run);
    setLimit(!on && selected.size >= MAX_SELECTED);
    if (!on && selected.size >= MAX_SELECTED) return;
    change({ selected: on ? view.selected.filter((s) => s !== run) : [...view.selected, run] });
  };
  const sortBy = (key: string): void => change(view.sort === key ? { descending: !view.descending } : { sort: key, descending: key === 'confidence' || key === 'age' || key === 'signals' });

  return (
    <main id="main" class="overview" tabIndex={-1}>
      <h1 class="sr">{say('runs')}</h1>
      <Filters report={report} view={view} change={change} say={say} />
      {view.selected.length > 0 && (
        <div class="selection" role="region" aria-label={say('selected', { n: view.selected.length })}>
          <b>{say('selected', { n: view.selected.length })}</b>
          <button type="button" class="primary" disabled={view.selected.length < 2} onClick={() => change({ view: 'compare', zoom: null })}>
            {say('compare')}
          </button>
          <button type="button" class="quiet" onClick={() => change({ selected: [] })}>
            {say('clear')}
          </button>
          {limit && (
            <span class="problem" role="alert">
              {say('selected.limit', { n: MAX_SELECTED })}
            </span>
          )}
          {view.selected.length < 2 && <span class="muted">{say('compare.need')}</span>}
        </div>
      )}
      {overlay}
      <div class="table-box" ref={scroller} tabIndex={0} role="region" aria-label={say('runs')}>
        <table class="runs" aria-rowcount={runs.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <th class="c-select">
                <span class="sr">{say('col.select')}</span>
              </th>
              {columns.map((c) => (
                <th key={c.key} class={c.cls} aria-sort={view.sort === c.key ? (view.descending ? 'descending' : 'ascending') : undefined}>
                  {c.sortable ? (
                    <button type="button" onClick={() => sortBy(c.key)} title={say('sort.by', { column: c.title })}>
                      {c.key.startsWith('hp:') ? <Name limit={20}>{c.title}</Name> : c.title}
                      <span class="arrow" aria-hidden="true">
                        {view.sort === c.key ? (view.descending ? '↓' : '↑') : ''}
                      </span>
                    </button>
                  ) : (
                    c.title
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {first > 0 && <tr class="space" aria-hidden="true" style={{ height: `${first * ROW}px` }} />}
            {runs.slice(first, last).map((run, i) => (
              <tr
                key={run.run}
                aria-rowindex={first + i + 2}
                class={run.run === marked ? 'marked' : ''}
                onClick={(e) => {
                  if (!(e.target as Element).closest('button, input, a, label')) change({ view: 'run', run: run.run, zoom: null });
                }}
                onMouseDown={() => mark(run.run)}
              >
                <td class="c-select">
                  <input type="checkbox" checked={selected.has(run.run)} aria-label={say('select.run', { run: run.run.slice(0, 200) })} onChange={() => toggle(run.run)} />
                </td>
                {columns.map((c) => (
                  <td key={c.key} class={c.cls}>
                    {c.cell(run)}
                  </td>
                ))}
              </tr>
            ))}
            {last < runs.length && <tr class="space" aria-hidden="true" style={{ height: `${(runs.length - last) * ROW}px` }} />}
          </tbody>
        </table>
        {runs.length === 0 && <p class="muted nothing">{say('filter.nothing')}</p>}
      </div>
    </main>
  );
}
