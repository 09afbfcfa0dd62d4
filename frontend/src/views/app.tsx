/** The page: holds what the reader looks at, follows the data, and hands both to the views. */
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { clock } from '../format';
import { memory, preferredLanguage, type Host, type Theme } from '../host';
import { speaker } from '../i18n';
import { useLive, useVisible } from '../live';
import type { Source } from '../source';
import { visibleRuns } from '../table';
import type { Lang } from '../types';
import { read, write, type ViewState } from '../urlstate';
import { Compare, Overlay } from './compare';
import { Banners, countOf, Exporter, Help, Nothing, Rail, Stepper, TopBar } from './frame';
import { Overview } from './overview';
import { RunView } from './run';

export function App({ host, source, reportLang }: { host: Host; source: Source; reportLang: Lang | undefined }) {
  const root = useRef<HTMLDivElement>(null);
  const shown = useVisible(root);
  const [lang, setLangState] = useState<Lang>(() => preferredLanguage(reportLang));
  const say = useMemo(() => speaker(lang), [lang]);
  const [theme, setTheme] = useTheme(host);
  const [view, setView] = useState<ViewState>(() => read(host.readParams()));
  const [marked, mark] = useState<string | null>(null);
  const [help, setHelp] = useState(false);

  const change = useCallback((part: Partial<ViewState>) => setView((old) => ({ ...old, ...part })), []);
  const setLang = (next: Lang): void => {
    memory.set('lang', next);
    setLangState(next);
  };

  useEffect(() => host.writeParams(write(view)), [host, view]);
  useEffect(() => host.onParams(() => setView(read(host.readParams()))), [host]);
  useEffect(() => {
    document.documentElement.lang = lang;
    document.title = say('title');
  }, [lang, say]);

  const wanted = useMemo(() => (view.view === 'run' && view.run !== null ? [view.run] : view.view === 'compare' || view.selected.length > 1 ? [...view.selected] : []), [view.view, view.run, view.selected]);
  const live = useLive(source, host, lang, wanted, shown);
  const { overview, details, status } = live;

  const [colours, setColours] = useState<ReadonlyMap<string, string>>(new Map());
  useEffect(() => {
    let stopped = false;
    host
      .runColours()
      .then((found) => {
        if (!stopped) setColours(found);
      })
      // Colours are an extra: without TensorBoard's list of runs the table goes without them.
      .catch((error: unknown) => console.warn('no run colours:', error));
    return () => {
      stopped = true;
    };
  }, [host, theme, overview?.runs.length]);

  const rows = useMemo(() => (overview ? visibleRuns(overview, view) : []), [overview, view.query, view.regex, view.levels, view.label, view.sort, view.descending]);
  const current = view.view === 'run' ? view.run : marked;
  const at = rows.findIndex((r) => r.run === current);

  const go = useCallback(
    (by: number) => {
      const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by))];
      if (!next) return;
      mark(next.run);
      if (view.view === 'run') change({ run: next.run, zoom: null });
    },
    [rows, at, view.view, change],
  );

  useKeys({ view, change, go, marked, setHelp });

  // With one run there is nothing to choose from.
  const only = overview?.runs.length === 1 && status?.state === 'ready' ? overview.runs[0]!.run : null;
  const opened = useRef(false);
  useEffect(() => {
    if (only === null || opened.current) return;
    opened.current = true;
    setView((old) => (old.view === 'overview' ? { ...old, view: 'run', run: only } : old));
  }, [only]);

  // A new run is read from its top; new data of the same run leaves the reader where they are.
  useEffect(() => {
    window.scrollTo(0, 0);
    if (view.view === 'run' && view.run !== null) mark(view.run);
  }, [view.view, view.run]);

  const detail = details?.runs.find((r) => r.run === view.run);
  const chosen = useMemo(() => view.selected.flatMap((name) => details?.runs.filter((r) => r.run === name) ?? []), [view.selected, details]);
  const known = view.run === null || !overview || overview.runs.some((r) => r.run === view.run);

  const exportNames = view.view === 'run' && view.run !== null ? [view.run] : view.view === 'compare' ? [...view.selected] : overview && rows.length < overview.runs.length ? rows.map((r) => r.run) : null;
  const what = countOf(say, exportNames?.length ?? overview?.runs.length ?? 0);

  return (
    <div ref={root} class={`page ${view.view}-page`}>
      <TopBar
        host={host}
        report={overview}
        view={view}
        change={change}
        lang={lang}
        setLang={setLang}
        theme={theme}
        setTheme={setTheme}
        openHelp={() => setHelp(true)}
        shown={rows.length}
        say={say}
        exporter={
          <>
            {view.view === 'run' && rows.length > 1 && <Stepper go={go} at={at} count={rows.length} say={say} />}
            {overview && <Exporter source={source} names={exportNames} what={what} lang={lang} say={say} />}
          </>
        }
      />
      <Banners live={live} say={say} />
      {!overview ? (
        <Nothing status={status} connection={live.connection} say={say} />
      ) : view.view === 'overview' ? (
        <Overview
          report={overview}
          view={view}
          change={change}
          colours={colours}
          marked={marked}
          mark={mark}
          say={say}
          overlay={
            chosen.length > 1 ? (
              <section class="block">
                <Overlay runs={chosen} view={view} change={change} theme={theme} say={say} />
              </section>
            ) : null
          }
        />
      ) : view.view === 'compare' ? (
        chosen.length > 0 ? (
          <Compare runs={chosen} view={view} change={change} theme={theme} say={say} />
        ) : (
          <main id="main" class="nothing-yet" tabIndex={-1} aria-busy="true">
            <p class="muted">{say('loading.run')}</p>
          </main>
        )
      ) : (
        <div class="with-rail">
          {overview.runs.length > 1 && <Rail runs={rows} current={view.run ?? ''} change={change} say={say} />}
          {detail && details ? (
            <RunView key={detail.run} run={detail} report={details} view={view} change={change} source={source} host={host} theme={theme} say={say} />
          ) : (
            <main id="main" class="nothing-yet" tabIndex={-1} aria-busy={known}>
              <p class="muted">{known ? say('loading.run') : say('unknown.run')}</p>
            </main>
          )}
        </div>
      )}
      {host.kind === 'file' && overview && <footer class="muted">{say('made.by', { version: overview.tool.version, time: clock(status?.read_at, lang) })}</footer>}
      <Help open={help} close={() => setHelp(false)} say={say} />
    </div>
  );
}

/** TensorBoard's own theme in the tab; in a file the system's, until the reader chooses. */
function useTheme(host: Host): [Theme, (theme: Theme) => void] {
  const remembered = host.kind === 'file' ? memory.get('theme') : null;
  const [theme, setTheme] = useState<Theme>(remembered === 'dark' || remembered === 'light' ? remembered : host.theme());
  const chosen = useRef(remembered !== null);
  useEffect(
    () =>
      host.onTheme(() => {
        if (!chosen.current) setTheme(host.theme());
      }),
    [host],
  );
  // Before the children draw: charts read their colours from the style of the document.
  document.documentElement.dataset['theme'] = theme;
  return [
    theme,
    (next) => {
      chosen.current = true;
      memory.set('theme', next);
      setTheme(next);
    },
  ];
}

function useKeys({ view, change, go, marked, setHelp }: { view: ViewState; change: (part: Partial<ViewState>) => void; go: (by: number) => void; marked: string | null; setHelp: (open: boolean) => void }): void {
  // Before the next key can come: after a quick second press the first must already count.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const target = event.target as Element | null;
      const typing = target?.closest('input:not([type=checkbox]), textarea, select') !== null && target !== null;
      // The open dialog itself is asked: its state here is a moment late, and the next key may already be meant for the page.
      if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
      if (event.key === 'Escape') {
        if (typing) (target as HTMLElement).blur();
        else if (view.view !== 'overview') change({ view: 'overview', zoom: null });
        return;
      }
      if (typing) return;
      // Arrows scroll a table that has the focus because it is wider or longer than its place.
      const scrolling = target?.closest('.scroll, dialog') ?? null;
      switch (event.key) {
        case '/':
          event.preventDefault();
          if (view.view !== 'overview') change({ view: 'overview' });
          window.requestAnimationFrame(() => document.getElementById('search')?.focus());
          return;
        case '?':
          event.preventDefault();
          setHelp(true);
          return;
        case 'ArrowDown':
        case 'j':
        case 'ArrowUp':
        case 'k':
          if (scrolling || view.view === 'compare') return;
          event.preventDefault();
          go(event.key === 'ArrowDown' || event.key === 'j' ? 1 : -1);
          return;
        case 'Enter':
          if (view.view === 'overview' && marked !== null && !target?.closest('button, a, input')) change({ view: 'run', run: marked, zoom: null });
          return;
        case 'x':
          if (view.view === 'overview' && marked !== null)
            change({ selected: view.selected.includes(marked) ? view.selected.filter((s) => s !== marked) : [...view.selected, marked].slice(0, 10) });
          return;
        case '0':
          change({ zoom: null });
          return;
        default:
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [view, change, go, marked, setHelp]);
}
