/** Where reports come from: TensorBoard's routes, or the report embedded in this file. */
import type { Curve, Lang, Report, RunReport, RunSummary, ServerStatus } from './types';

export type ExportFormat = 'html' | 'markdown' | 'csv' | 'json';

export interface Source {
  readonly live: boolean;
  status(): Promise<ServerStatus>;
  overview(lang: Lang): Promise<Report>;
  /** Full reports of some runs, with curves. A run the server does not know is left out. */
  runs(names: readonly string[], lang: Lang): Promise<Report<RunReport>>;
  /** Finer curves between two steps; null where there is nothing finer than what was sent. */
  series(run: string, from: number, to: number, width: number): Promise<Record<string, Curve> | null>;
  /** Address to download the runs in a format; null where there is no server to make it. */
  exportAddress(format: ExportFormat, names: readonly string[] | null, lang: Lang): string | null;
  /** The report as JSON, where the page holds it whole. */
  exportText(lang: Lang): string | null;
}

/** The server answered, but not with what was asked for. */
export class ServerError extends Error {
  constructor(readonly code: number) {
    super(`HTTP ${code}`);
  }
}

// --- TensorBoard --------------------------------------------------------------------------------------------------

/** Longest address the exports use: servers and proxies on the way cut at 8 KB. */
const ADDRESS_LIMIT = 7000;

export function tabSource(fetcher: typeof fetch = window.fetch.bind(window)): Source {
  const known = new Map<string, { etag: string; data: unknown }>();

  async function get<T>(path: string): Promise<T> {
    const cached = known.get(path);
    const response = await fetcher(path, cached ? { cache: 'no-store', headers: { 'If-None-Match': cached.etag } } : { cache: 'no-store' });
    if (response.status === 304 && cached) return cached.data as T;
    if (!response.ok) throw new ServerError(response.status);
    const data = (await response.json()) as T;
    const etag = response.headers.get('ETag');
    if (etag) {
      // Newest last; the oldest answers go first, so that a long session does not grow.
      known.delete(path);
      known.set(path, { etag, data });
      if (known.size > 24) known.delete(known.keys().next().value!);
    }
    return data;
  }

  const query = (params: [string, string][]): string => new URLSearchParams(params).toString();

  return {
    live: true,
    status: () => get<ServerStatus>('api/status'),
    overview: (lang) => get<Report>(`api/report?${query([['view', 'overview'], ['lang', lang]])}`),
    runs: (names, lang) => get<Report<RunReport>>(`api/report?${query([['lang', lang], ...names.map((n): [string, string] => ['run', n])])}`),
    series: (run, from, to, width) =>
      get<Record<string, Curve>>(`api/series?${query([['run', run], ['from', String(from)], ['to', String(to)], ['width', String(width)]])}`),
    exportAddress(format, names, lang) {
      const address = `api/export?${query([['format', format], ['lang', lang], ...(names ?? []).map((n): [string, string] => ['run', n])])}`;
      return address.length <= ADDRESS_LIMIT ? address : null;
    },
    exportText: () => null,
  };
}

// --- embedded -----------------------------------------------------------------------------------------------------

/** What render/html.py writes into the file: the report in each language, and the curves once for all of them. */
export interface Embedded {
  lang: Lang;
  written_at: number;
  reports: Partial<Record<Lang, Report<RunReport>>>;
  curves: Record<string, Record<string, Curve>>;
}

export function embeddedSource(data: Embedded): Source {
  const report = (lang: Lang): Report<RunReport> => {
    const found = data.reports[lang] ?? data.reports[data.lang];
    if (!found) throw new Error('the file holds no report');
    return found;
  };
  return {
    live: false,
    status: () =>
      Promise.resolve({
        revision: 'file',
        state: report(data.lang).runs.length > 0 ? 'ready' : 'empty',
        mode: report(data.lang).mode ?? 'full',
        reason: null,
        progress: null,
        read_at: data.written_at,
        runs: report(data.lang).runs.length,
      }),
    overview: (lang) => Promise.resolve(report(lang) as Report<RunSummary>),
    runs(names, lang) {
      const wanted = new Set(names);
      const whole = report(lang);
      const runs = whole.runs.filter((r) => wanted.has(r.run)).map((r) => ({ ...r, curves: data.curves[r.run] ?? {} }));
      return Promise.resolve({ ...whole, runs });
    },
    series: () => Promise.resolve(null),
    exportAddress: () => null,
    exportText: (lang) => JSON.stringify(report(lang), null, 1),
  };
}
