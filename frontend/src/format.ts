/** Numbers, times and sizes as a person reads them; nothing here knows the page. */
import type { Lang, Wire } from './types';

const DASH = '–';

export function wire(value: Wire | undefined): number | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'number' ? value : value === 'NaN' ? NaN : value === 'Infinity' ? Infinity : -Infinity;
}

/** Four significant digits, plain where it can be, so that a column of losses lines up on its point. */
export function num(value: Wire | undefined, digits = 4): string {
  const v = wire(value);
  if (v === null) return DASH;
  if (Number.isNaN(v)) return 'NaN';
  if (!Number.isFinite(v)) return v > 0 ? '∞' : '−∞';
  if (Number.isInteger(v) && Math.abs(v) < 1e6) return int(v);
  const size = Math.abs(v);
  if (size >= 1e6 || size < 1e-3) return v.toExponential(Math.max(0, digits - 2)).replace(/\.?0+e/, 'e').replace('e+', 'e').replaceAll('-', '−');
  if (size >= 1000) return int(Math.round(v));
  const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return v.toFixed(Math.min(places, 6)).replaceAll('-', '−');
}

/** The same without the zeros at its end: where nothing stands below it to line up with. */
export function short(value: Wire | undefined, digits = 4): string {
  const text = num(value, digits);
  return /^[−\d]+\.\d+$/.test(text) ? text.replace(/\.?0+$/, '') : text;
}

/** A fixed number of decimals: for columns where the eye compares. What would be written as nothing but zeros is not. */
export function fixed(value: Wire | undefined, places: number): string {
  const v = wire(value);
  if (v === null) return DASH;
  if (!Number.isFinite(v) || Math.abs(v) >= 1e5) return num(v);
  if (v !== 0 && Math.abs(v) < 0.5 * 10 ** -places) return num(v, 3);
  return Math.abs(v) < 1000 ? v.toFixed(places).replaceAll('-', '−') : grouped(v, places);
}

const FIGURE = '\u2007'; // a space as wide as a digit
const POINT = '\u2008'; // a space as wide as a point

/** For a column of values of every size: five digits at most, two at least, and the points below one another. */
export function aligned(value: Wire | undefined, places: number): string {
  const v = wire(value);
  if (v === null) return DASH;
  const size = Math.abs(v);
  if (!Number.isFinite(v) || size >= 1e6 || (v !== 0 && size < 10 ** (1 - places))) return num(v, 4);
  const decimals = Math.max(0, Math.min(places, 4 - (size >= 1 ? Math.floor(Math.log10(size)) : 0)));
  const text = decimals === 0 ? int(Math.round(v)) : size < 1000 ? v.toFixed(decimals).replaceAll('-', '−') : grouped(v, decimals);
  return text + (decimals === 0 && places > 0 ? POINT : '') + FIGURE.repeat(places - decimals);
}

const grouped = (v: number, places: number): string => new Intl.NumberFormat('en-US', { minimumFractionDigits: places, maximumFractionDigits: places }).format(v).replaceAll('-', '−');

/** How many decimals a column needs so that its values keep three significant digits at their usual size. */
export function places(values: readonly (Wire | undefined)[]): number {
  const sizes = values
    .map((v) => Math.abs(wire(v) ?? NaN))
    .filter((v) => Number.isFinite(v) && v > 0)
    .sort((a, b) => a - b);
  const typical = sizes[Math.floor(sizes.length / 2)];
  if (typical === undefined) return 3;
  return Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(typical))));
}

/** Labels of an axis: all with the decimals that its step asks for, so that they line up. */
export function ticks(values: readonly (number | null)[]): string[] {
  const shown = values.filter((v): v is number => v !== null);
  const size = Math.max(...shown.map(Math.abs), 0);
  const gaps = shown.slice(1).map((v, i) => Math.abs(v - shown[i]!)).filter((g) => g > 0);
  const gap = Math.min(...gaps);
  if (size >= 1e5 || (size > 0 && size < 1e-3) || !Number.isFinite(gap)) return values.map((v) => (v === null ? '' : num(v, 3)));
  // On a logarithmic axis the steps differ: each label has its own decimals.
  if (Math.max(...gaps) > gap * 1.5) return values.map((v) => (v === null ? '' : String(Number(v.toPrecision(3))).replaceAll('-', '−')));
  const decimals = Math.max(0, Math.min(6, -Math.floor(Math.log10(gap) + 1e-9)));
  const finer = shown.some((v) => Math.abs(v * 10 ** decimals - Math.round(v * 10 ** decimals)) > 1e-6) ? decimals + 1 : decimals;
  return values.map((v) => (v === null ? '' : finer === 0 && size >= 1e3 ? int(v) : v.toFixed(finer).replaceAll('-', '−')));
}

/** Steps on an axis: written out while they are short, in thousands or millions where the whole axis is long. */
export function stepTicks(values: readonly (number | null)[], most: number, brief: boolean): string[] {
  const [unit, sign] = most >= 1e6 ? [1e6, 'M'] : brief && most >= 1e4 ? [1e3, 'k'] : [1, ''];
  return values.map((v) => (v === null || (unit === 1 && !Number.isInteger(v)) ? '' : v === 0 ? '0' : unit === 1 ? int(v) : `${Number((v / unit).toPrecision(6))}${sign}`));
}

/** Which of the places that a logarithmic axis offers get a label: tens first, then fives and twos, then the rest; never two within `gap` pixels. */
export function logTicks(splits: readonly number[], at: (v: number) => number, gap: number): (number | null)[] {
  const rank = (v: number): number => {
    const mantissa = v / 10 ** Math.floor(Math.log10(v) + 1e-9);
    const whole = Math.round(mantissa);
    return Math.abs(mantissa - whole) > 0.001 ? Infinity : whole === 1 || whole === 10 ? 0 : whole === 5 ? 1 : whole === 2 ? 2 : 3;
  };
  const kept: number[] = [];
  const chosen = new Set<number>();
  for (const wanted of [0, 1, 2, 3])
    for (const v of splits)
      if (rank(v) === wanted && kept.every((o) => Math.abs(o - at(v)) >= gap)) {
        kept.push(at(v));
        chosen.add(v);
      }
  return splits.map((v) => (chosen.has(v) ? v : null));
}

const GROUPED = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

export function int(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : GROUPED.format(value).replaceAll('-', '−');
}

export function percent(value: number | null | undefined): string {
  return value === null || value === undefined ? DASH : `${Math.round(value * 100)}%`;
}

/** English sets a space before the unit, Korean none. */
const UNITS: Record<Lang, [string, string, string, string, string, string]> = { en: [' s', ' min', ' h', ' d', ' mo', ' y'], ko: ['초', '분', '시간', '일', '개월', '년'] };

/** A length of time with its two largest units. */
export function duration(seconds: number | null | undefined, lang: Lang): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return DASH;
  const [s, m, h, d] = UNITS[lang];
  const size = Math.abs(seconds);
  if (size < 1) return `${short(size, 2)}${s}`;
  if (size < 10) return `${short(size, 2)}${s}`;
  if (size < 59.5) return `${Math.round(size)}${s}`;
  if (size < 3570) return `${Math.round(size / 60)}${m}`;
  if (size < 86400) {
    const minutes = Math.round((size % 3600) / 60);
    const hours = Math.floor(size / 3600) + (minutes === 60 ? 1 : 0);
    return minutes === 0 || minutes === 60 ? `${hours}${h}` : `${hours}${h} ${minutes}${m}`;
  }
  const hours = Math.round((size % 86400) / 3600);
  return hours === 0 ? `${Math.floor(size / 86400)}${d}` : `${Math.floor(size / 86400)}${d} ${hours}${h}`;
}

export function bytes(size: number | null | undefined): string {
  if (size === null || size === undefined) return DASH;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

const LOCALE: Record<Lang, string> = { en: 'en-GB', ko: 'ko-KR' };

export function clock(seconds: number | null | undefined, lang: Lang): string {
  // A damaged log may hold any time; a date ends at 8.64e12 seconds.
  if (seconds === null || seconds === undefined || !(Math.abs(seconds) < 8e12)) return DASH;
  return new Intl.DateTimeFormat(LOCALE[lang], { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(seconds * 1000));
}

/** Ticks of an axis of wall times: the hour, and the day where it changes. */
export function clockTicks(values: readonly number[], gap: number, lang: Lang): string[] {
  const time = new Intl.DateTimeFormat(LOCALE[lang], { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', ...(gap < 60 ? { second: '2-digit' } : {}) });
  const day = new Intl.DateTimeFormat(LOCALE[lang], { day: 'numeric', month: 'short' });
  return values.map((v, i) => {
    const date = new Date(v * 1000);
    if (gap >= 86400) return day.format(date);
    return i > 0 && day.format(date) !== day.format(new Date(values[i - 1]! * 1000)) ? day.format(date) : time.format(date);
  });
}

/** How long ago, in its largest unit: nobody needs the minutes of days. */
export function age(seconds: number, lang: Lang): string {
  const [, , , , month, year] = UNITS[lang];
  if (seconds >= 730 * 86400) return `${Math.floor(seconds / (365.25 * 86400))}${year}`;
  if (seconds >= 60 * 86400) return `${Math.floor(seconds / (30.44 * 86400))}${month}`;
  const size = seconds >= 86400 ? 86400 : seconds >= 3600 ? 3600 : seconds >= 60 ? 60 : 1;
  return duration(Math.floor(seconds / size) * size, lang);
}

/** A path below the run's own folder without that folder: the run's name stands above it already. */
export function withinRun(path: string, run: string): string {
  return run !== '.' && path.startsWith(`${run}/`) ? path.slice(run.length + 1) : path;
}

/** A value of a hyper-parameter, one line, cut where it is long. */
export function scalar(value: unknown, limit = 48): string {
  if (value === null || value === undefined) return DASH;
  const text = typeof value === 'number' ? shortNumber(value) : typeof value === 'string' ? value : JSON.stringify(value) ?? String(value);
  return text.length > limit ? `${text.slice(0, limit - 1)}…` : text;
}

function shortNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential().replace('e+', 'e');
  return String(value);
}

/** Control characters and direction marks made visible, so that a hostile name cannot dress up as another. */
export function visible(name: string): string {
  return name.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, (c) => {
    const code = c.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : `⟨${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}
