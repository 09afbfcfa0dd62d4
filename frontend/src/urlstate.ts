/** What the reader is looking at, written to and read from the address, so that reload and a shared link restore it. */

export type XAxis = 'step' | 'epoch' | 'relative' | 'wall';
export type YAxis = 'linear' | 'log';
export type SortKey = string; // a fixed column or "hp:NAME"

export interface ViewState {
  view: 'overview' | 'run' | 'compare';
  run: string | null;
  selected: readonly string[];
  query: string;
  regex: boolean;
  levels: readonly string[];
  label: string;
  sort: SortKey;
  descending: boolean;
  x: XAxis;
  y: YAxis;
  clip: boolean | null; // whether outliers are cut; null: only a start that lies far off the rest
  zoom: readonly [number, number] | null; // in steps
}

export const START: ViewState = {
  view: 'overview',
  run: null,
  selected: [],
  query: '',
  regex: false,
  levels: [],
  label: '',
  sort: 'verdict',
  descending: false,
  x: 'step',
  y: 'linear',
  clip: null,
  zoom: null,
};

export const MAX_SELECTED = 10;

/** Only what differs from the start is written: a short address for the usual view. */
export function write(state: ViewState): Record<string, string> {
  const out: Record<string, string> = {};
  if (state.view !== START.view) out['view'] = state.view;
  if (state.run !== null) out['run'] = state.run;
  if (state.selected.length > 0) out['sel'] = JSON.stringify(state.selected);
  if (state.query) out['q'] = state.query;
  if (state.regex) out['re'] = '1';
  if (state.levels.length > 0) out['levels'] = state.levels.join('.');
  if (state.label) out['label'] = state.label;
  if (state.sort !== START.sort) out['sort'] = state.sort;
  if (state.descending) out['desc'] = '1';
  if (state.x !== START.x) out['x'] = state.x;
  if (state.y !== START.y) out['y'] = state.y;
  if (state.clip !== null) out['clip'] = state.clip ? '1' : '0';
  if (state.zoom) out['zoom'] = `${state.zoom[0]}~${state.zoom[1]}`;
  return out;
}

/** An address is input from outside: whatever does not fit is left at its start. */
export function read(params: Record<string, string>): ViewState {
  const view = params['view'];
  const run = params['run'] ?? null;
  const x = params['x'];
  const y = params['y'];
  const zoom = (params['zoom'] ?? '').split('~').map(Number);
  const [from, to] = zoom;
  const selected = names(params['sel']);
  const wanted = view === 'run' || view === 'compare' ? view : 'overview';
  return {
    view: (wanted === 'run' && run === null) || (wanted === 'compare' && selected.length === 0) ? 'overview' : wanted,
    run,
    selected,
    query: params['q'] ?? '',
    regex: params['re'] === '1',
    levels: (params['levels'] ?? '').split('.').filter((l) => ['ok', 'info', 'warn', 'bad', 'unknown'].includes(l)),
    label: params['label'] ?? '',
    sort: params['sort'] ?? START.sort,
    descending: params['desc'] === '1',
    x: x === 'epoch' || x === 'relative' || x === 'wall' ? x : 'step',
    y: y === 'log' ? 'log' : 'linear',
    clip: params['clip'] === '1' ? true : params['clip'] === '0' ? false : null,
    zoom: zoom.length === 2 && Number.isFinite(from) && Number.isFinite(to) && from! < to! ? [from!, to!] : null,
  };
}

function names(text: string | undefined): string[] {
  if (!text) return [];
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) ? list.filter((n): n is string => typeof n === 'string').slice(0, MAX_SELECTED) : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
