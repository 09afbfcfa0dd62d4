/** The one file that knows where the page lives: TensorBoard's iframe, or a file opened from disk. */
import type { Lang } from './types';

export type Theme = 'light' | 'dark';
export type Params = Record<string, string>;

export interface Host {
  readonly kind: 'tab' | 'file';
  readParams(): Params;
  writeParams(params: Params): void;
  onParams(changed: () => void): () => void;
  theme(): Theme;
  onTheme(changed: () => void): () => void;
  /** TensorBoard's own reload button or timer went off. */
  onReload(changed: () => void): () => void;
  /** Address of the same tags in Time Series, or null where there is none. */
  timeSeries(run: readonly string[], tags: readonly string[]): string | null;
  /** TensorBoard's colours by run; empty where they cannot be known. */
  runColours(): Promise<ReadonlyMap<string, string>>;
}

/** Storage may be forbidden (privacy settings, file://): then nothing is remembered, and nothing breaks. */
export const memory = {
  get(key: string): string | null {
    try {
      return window.localStorage.getItem(`evalguide.${key}`);
    } catch (error) {
      if (error instanceof DOMException) return null;
      throw error;
    }
  },
  set(key: string, value: string): void {
    try {
      window.localStorage.setItem(`evalguide.${key}`, value);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
  },
};

export function preferredLanguage(fromReport: Lang | undefined): Lang {
  const remembered = memory.get('lang');
  if (remembered === 'en' || remembered === 'ko') return remembered;
  if (fromReport) return fromReport;
  return navigator.language.toLowerCase().startsWith('ko') ? 'ko' : 'en';
}

// --- a file from disk ---------------------------------------------------------------------------------------------

function parseHash(text: string): Params {
  return Object.fromEntries(new URLSearchParams(text.replace(/^#/, '')));
}

export function fileHost(): Host {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  return {
    kind: 'file',
    readParams: () => parseHash(window.location.hash),
    writeParams(params) {
      const text = new URLSearchParams(params).toString();
      window.history.replaceState(null, '', text ? `#${text}` : window.location.pathname + window.location.search);
    },
    onParams: (changed) => listen(window, 'hashchange', changed),
    theme: () => (dark.matches ? 'dark' : 'light'),
    onTheme: (changed) => listen(dark, 'change', changed),
    onReload: () => () => undefined,
    timeSeries: () => null,
    runColours: () => Promise.resolve(new Map()),
  };
}

// --- TensorBoard's iframe -----------------------------------------------------------------------------------------

const PLUGIN = 'evalguide';
const PREFIX = `p.${PLUGIN}.`;

/** The page around us, or null when it is of another origin (someone embeds the tab elsewhere). */
function parentWindow(): Window | null {
  try {
    return window.parent !== window && window.parent.document !== null ? window.parent : null;
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

export function readTabHash(hash: string): Params {
  const out: Params = {};
  for (const [key, value] of new URLSearchParams(hash.replace(/^#/, ''))) if (key.startsWith(PREFIX)) out[key.slice(PREFIX.length)] = value;
  return out;
}

export function writeTabHash(hash: string, params: Params): string {
  const rest = hash
    .replace(/^#/, '')
    .split('&')
    .filter((part) => part && !part.startsWith(PREFIX));
  if (rest.length === 0) rest.push(PLUGIN);
  const own = Object.entries(params).map(([key, value]) => `${encodeURIComponent(PREFIX + key)}=${encodeURIComponent(value)}`);
  return `#${[...rest, ...own].join('&')}`;
}

/** TensorBoard gives its first seven colours, in turn, to the runs in the order of /data/runs (its default palette). */
const PALETTE: readonly (readonly [light: string, dark: string])[] = [
  ['#425066', '#8e98a3'],
  ['#12b5cb', '#12b5cb'],
  ['#e52592', '#e52592'],
  ['#f9ab00', '#f9ab00'],
  ['#9334e6', '#9334e6'],
  ['#7cb342', '#7cb342'],
  ['#e8710a', '#e8710a'],
];

export function coloursByOrder(runs: readonly string[], theme: Theme): Map<string, string> {
  return new Map(runs.map((run, i) => [run, PALETTE[i % PALETTE.length]![theme === 'dark' ? 1 : 0]]));
}

const escapeRegex = (name: string): string => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

export function timeSeriesAddress(page: string, runs: readonly string[], tags: readonly string[]): string {
  const url = new URL(page);
  const search = new URLSearchParams({
    tagFilter: `^(${tags.map(escapeRegex).join('|')})$`,
    runFilter: `^(${runs.map(escapeRegex).join('|')})$`,
    smoothing: '0',
  });
  url.search = search.toString();
  url.hash = 'timeseries';
  return url.toString();
}

export function tabHost(): Host {
  const parent = parentWindow();
  const host: Host = {
    kind: 'tab',
    readParams: () => (parent ? readTabHash(parent.location.hash) : parseHash(window.location.hash)),
    writeParams(params) {
      // A hidden tab's iframe stays alive: it must not write its state into another tab's address.
      if (!parent || !parent.location.hash.startsWith(`#${PLUGIN}`)) return;
      const next = writeTabHash(parent.location.hash, params);
      if (next !== parent.location.hash) parent.history.replaceState(parent.history.state, '', next);
    },
    onParams: (changed) =>
      parent
        ? listen(parent, 'hashchange', () => {
            if (parent.location.hash.startsWith(`#${PLUGIN}`)) changed();
          })
        : () => undefined,
    theme: () => (parent?.document.body.classList.contains('dark-mode') ? 'dark' : 'light'),
    onTheme(changed) {
      if (!parent) return () => undefined;
      const observer = new MutationObserver(changed);
      observer.observe(parent.document.body, { attributes: true, attributeFilter: ['class'] });
      return () => observer.disconnect();
    },
    onReload(changed) {
      // The plugin protocol: TensorBoard hands us one end of a channel after we announce ourselves.
      if (!parent) return () => undefined;
      const channel = new MessageChannel();
      channel.port1.onmessage = (event: MessageEvent) => {
        const message = typeof event.data === 'string' ? event.data : '';
        if (!message.includes('"experimental.DataReloaded"') && !message.includes('"experimental.RunsChanged"')) return;
        const { type, id } = JSON.parse(message) as { type: string; id: number };
        channel.port1.postMessage(JSON.stringify({ type, id, payload: null, error: null, isReply: true }));
        changed();
      };
      parent.postMessage('experimental.bootstrap', window.location.origin, [channel.port2]);
      return () => channel.port1.close();
    },
    timeSeries: (runs, tags) => (parent && tags.length > 0 ? timeSeriesAddress(parent.location.href, runs, tags) : null),
    async runColours() {
      const response = await fetch('../../runs');
      if (!response.ok) return new Map();
      const runs: unknown = await response.json();
      return Array.isArray(runs) ? coloursByOrder(runs.filter((r): r is string => typeof r === 'string'), host.theme()) : new Map();
    },
  };
  return host;
}

function listen(target: EventTarget, name: string, handler: () => void): () => void {
  target.addEventListener(name, handler);
  return () => target.removeEventListener(name, handler);
}
