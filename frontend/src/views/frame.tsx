/** What stands around the views: the bar at the top, banners, the list of runs at the side, help, export, empty states. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { clock, int } from '../format';
import type { Host, Theme } from '../host';
import type { Say } from '../i18n';
import type { Live } from '../live';
import type { ExportFormat, Source } from '../source';
import type { Lang, Report, RunSummary, ServerStatus } from '../types';
import type { ViewState } from '../urlstate';
import { Choice, LevelMark, Name } from './parts';

const LANGUAGE_NAMES: Record<Lang, string> = { en: 'English', ko: '한국어' };

export function TopBar(props: {
  host: Host;
  report: Report | null;
  view: ViewState;
  change: (part: Partial<ViewState>) => void;
  lang: Lang;
  setLang: (lang: Lang) => void;
  theme: Theme;
  setTheme: (theme: Theme) => void;
  openHelp: () => void;
  exporter: ComponentChildren;
  shown: number;
  say: Say;
}) {
  const { host, report, view, change, lang, setLang, theme, setTheme, openHelp, exporter, shown, say } = props;
  return (
    <header class="top">
      <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById('main')?.focus(); }}>
        {say('skip')}
      </a>
      {view.view === 'overview' ? (
        <span class="brand">{say('title')}</span>
      ) : (
        <button type="button" class="quiet back" onClick={() => change({ view: 'overview', zoom: null })}>
          ← {say('back')}
        </button>
      )}
      {report && view.view === 'overview' && (
        <span class="muted count" role="status">
          {shown === report.runs.length ? countOf(say, report.runs.length) : say('runs.shown', { shown: int(shown), n: int(report.runs.length) })}
        </span>
      )}
      {report && host.kind === 'file' && view.view === 'overview' && (
        <span class="muted logdir">
          <Name limit={80}>{report.logdir}</Name>
        </span>
      )}
      <span class="spring" />
      {exporter}
      {host.kind === 'file' && (
        <Choice<Theme> name={say('theme')} value={theme} options={[{ value: 'light', text: say('theme.light') }, { value: 'dark', text: say('theme.dark') }]} onChange={setTheme} />
      )}
      <div class="choice" role="group" aria-label={say('language')}>
        {(['en', 'ko'] as const).map((code) => (
          <button type="button" key={code} lang={code} aria-pressed={code === lang} onClick={() => setLang(code)}>
            {LANGUAGE_NAMES[code]}
          </button>
        ))}
      </div>
      <button type="button" class="quiet" onClick={openHelp} aria-label={say('help')} title={`${say('help')} (?)`}>
        ?
      </button>
    </header>
  );
}

export const countOf = (say: Say, n: number): string => (n === 1 ? say('runs.one') : say('runs.count', { n: int(n) }));

export function Banners({ live, say }: { live: Live; say: Say }) {
  const { status, connection, overview, fault } = live;
  const out: ComponentChildren[] = [];
  if (connection === 'gone')
    out.push(
      <div class="banner bad" role="alert" key="gone">
        <LevelMark level="bad" say={say} />
        <span>{overview ? say('gone', { time: clock(live.lost, say.lang) }) : say('gone.never')}</span>
        <button type="button" class="quiet" onClick={live.retry}>
          {say('retry')}
        </button>
      </div>,
    );
  if (fault)
    out.push(
      <div class="banner bad" role="alert" key="fault">
        <LevelMark level="bad" say={say} />
        <span>{say('error.server', { reason: fault })}</span>
      </div>,
    );
  if (status?.mode === 'sampled')
    out.push(
      <div class="banner warn" role="status" key="sampled">
        <LevelMark level="warn" say={say} />
        <span>{say('sampled')}</span>
      </div>,
    );
  if (status?.state === 'error' && overview)
    out.push(
      <div class="banner warn" role="status" key="stale">
        <LevelMark level="warn" say={say} />
        <span>{say('error.stale', { reason: status.reason ?? '', time: clock(status.read_at, say.lang) })}</span>
      </div>,
    );
  if (status?.state === 'reading' && overview && status.progress && status.progress.total !== null)
    out.push(
      <div class="banner info" role="status" key="reading">
        <LevelMark level="info" say={say} />
        <span>{say('loading.some', { done: int(status.progress.done), total: int(status.progress.total) })}</span>
        <progress value={status.progress.done} max={Math.max(1, status.progress.total)} aria-label={say('loading.title')} />
      </div>,
    );
  return <>{out}</>;
}

/** Nothing to draw yet: says why, and what will happen. */
export function Nothing({ status, connection, say }: { status: ServerStatus | null; connection: 'ok' | 'gone'; say: Say }) {
  if (connection === 'gone') return null;
  if (status?.state === 'error')
    return (
      <main id="main" class="nothing-yet" tabIndex={-1}>
        <LevelMark level="bad" say={say} size={28} />
        <h1>{say('error.title')}</h1>
        <p>{status.reason}</p>
      </main>
    );
  if (status?.state === 'empty')
    return (
      <main id="main" class="nothing-yet" tabIndex={-1}>
        <LevelMark level="unknown" say={say} size={28} />
        <h1>{say('empty.title')}</h1>
        <p>{say('empty.text')}</p>
        <p class="muted lines">{say('empty.hint').replace(/ · /g, '\n')}</p>
      </main>
    );
  const progress = status?.progress;
  return (
    <main id="main" class="nothing-yet" tabIndex={-1} aria-busy="true">
      <h1>{say('loading.title')}</h1>
      {progress && progress.total !== null ? (
        <>
          <progress value={progress.done} max={Math.max(1, progress.total)} aria-label={say('loading.title')} />
          <p class="muted">{say('loading.progress', { done: int(progress.done), total: int(progress.total) })}</p>
        </>
      ) : (
        <progress aria-label={say('loading.title')} />
      )}
    </main>
  );
}

const RAIL_ROWS = 400; // enough to look around; the filter reaches the others

export function Rail({ runs, current, change, say }: { runs: readonly RunSummary[]; current: string; change: (part: Partial<ViewState>) => void; say: Say }) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    const here = box.current?.querySelector('[aria-current]');
    if (here && box.current) {
      const row = here as HTMLElement;
      const view = box.current;
      if (row.offsetTop < view.scrollTop || row.offsetTop + row.offsetHeight > view.scrollTop + view.clientHeight) view.scrollTop = row.offsetTop - view.clientHeight / 3;
    }
  }, [current]);
  const at = runs.findIndex((r) => r.run === current);
  const from = Math.max(0, Math.min(at - RAIL_ROWS / 2, runs.length - RAIL_ROWS));
  return (
    <nav class="rail" ref={box} aria-label={say('runs')}>
      <ul>
        {runs.slice(from, from + RAIL_ROWS).map((r) => (
          <li key={r.run}>
            <button type="button" aria-current={r.run === current ? 'page' : undefined} onClick={() => change({ view: 'run', run: r.run, zoom: null })}>
              <LevelMark level={r.verdict.level} say={say} size={14} />
              <span>
                <Name limit={120}>{r.run}</Name>
                <span class="muted">{say.known('label', r.verdict.label)}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

/** Previous and next, for windows too narrow for the list at the side. */
export function Stepper({ go, at, count, say }: { go: (by: number) => void; at: number; count: number; say: Say }) {
  return (
    <span class="stepper choice">
      <button type="button" aria-label={say('prev')} disabled={at <= 0} onClick={() => go(-1)}>
        ↑
      </button>
      <span class="muted">{`${at + 1}/${count}`}</span>
      <button type="button" aria-label={say('next')} disabled={at >= count - 1} onClick={() => go(1)}>
        ↓
      </button>
    </span>
  );
}

export function Help({ open, close, say }: { open: boolean; close: () => void; say: Say }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const d = dialog.current;
    if (!d) return;
    if (open && !d.open) d.showModal();
    if (!open && d.open) d.close();
  }, [open]);
  const keys: [string, string][] = [
    ['↑ ↓', say('help.arrows')],
    ['Enter', say('help.enter')],
    ['x', say('help.select')],
    ['/', say('help.search')],
    ['Esc', say('help.escape')],
    ['← →', say('help.cursor')],
    ['0', say('help.reset')],
    ['?', say('help.help')],
  ];
  return (
    <dialog ref={dialog} class="help" aria-labelledby="h-help" onClose={close} onClick={(e) => { if (e.target === dialog.current) close(); }}>
      <header>
        <h2 id="h-help">{say('help.title')}</h2>
        <button type="button" class="quiet" onClick={close}>
          {say('close')}
        </button>
      </header>
      <dl>
        {keys.map(([key, text]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <h3>{say('help.signs')}</h3>
      <ul>
        {(['raw', 'shade', 'gap', 'ticks', 'nan', 'restart'] as const).map((sign) => (
          <li key={sign}>{say(`help.sign.${sign}`)}</li>
        ))}
      </ul>
    </dialog>
  );
}

function save(text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = 'report.json';
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const FORMATS: readonly ExportFormat[] = ['html', 'markdown', 'csv', 'json'];

export function Exporter({ source, names, what, lang, say }: { source: Source; names: readonly string[] | null; what: string; lang: Lang; say: Say }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return undefined;
    const away = (e: Event): void => {
      if (!(e.target instanceof Node) || !box.current?.contains(e.target)) setOpen(false);
    };
    document.addEventListener('pointerdown', away);
    document.addEventListener('focusin', away);
    return () => {
      document.removeEventListener('pointerdown', away);
      document.removeEventListener('focusin', away);
    };
  }, [open]);
  const tooMany = source.live && source.exportAddress('json', names, lang) === null;
  return (
    <div class="menu" ref={box} onKeyDown={(e) => { if (e.key === 'Escape' && open) { e.stopPropagation(); setOpen(false); } }}>
      <button type="button" class="quiet" aria-expanded={open} aria-controls="export-menu" onClick={() => setOpen(!open)}>
        {say('export')} ▾
      </button>
      {open && (
        <div class="menu-box" id="export-menu">
          {tooMany ? (
            <p class="muted">{say('export.toomany')}</p>
          ) : (
            <>
              <p class="muted">{say('export.scope', { what })}</p>
              {source.live ? (
                FORMATS.map((format) => (
                  <a key={format} href={source.exportAddress(format, names, lang)!} download="" onClick={() => setOpen(false)}>
                    {say(`export.${format}`)}
                  </a>
                ))
              ) : (
                <button type="button" onClick={() => { save(source.exportText(lang) ?? ''); setOpen(false); }}>
                  {say('export.json')}
                </button>
              )}
            </>
          )}
        </div>
      )}
    </div>
  );
}
