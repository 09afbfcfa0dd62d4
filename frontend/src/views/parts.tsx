/** Small pieces that several views share: level marks, signals, sparkline, names, copy button. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { visible } from '../format';
import type { Say } from '../i18n';
import type { Level, Num, Signal } from '../types';

/** A shape for each level, so that colour is never the only sign. */
const SHAPES: Record<Level, ComponentChildren> = {
  ok: <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm3.6 5.1-4.2 5a.8.8 0 0 1-1.2 0L4.4 9.2a.8.8 0 1 1 1.2-1L6.8 9.5l3.6-4.4a.8.8 0 1 1 1.2 1Z" />,
  info: <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 3.2a.95.95 0 1 1 0 1.9.95.95 0 0 1 0-1.9Zm.85 7.6h-1.7V7.2h1.7Z" />,
  warn: <path d="M8.9 1.9a1 1 0 0 0-1.8 0L1 13.5A1 1 0 0 0 1.9 15h12.2a1 1 0 0 0 .9-1.5ZM7.2 6h1.6l-.2 4H7.4ZM8 11.2a1 1 0 1 1 0 2 1 1 0 0 1 0-2Z" />,
  bad: <path d="M5 1h6l4 4v6l-4 4H5l-4-4V5Zm.9 3.8L4.8 5.9 6.9 8l-2.1 2.1 1.1 1.1L8 9.1l2.1 2.1 1.1-1.1L9.1 8l2.1-2.1-1.1-1.1L8 6.9Z" />,
  unknown: <path d="M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11ZM4.8 7.2h6.4v1.6H4.8Z" />,
};

export function LevelMark({ level, say, size = 16 }: { level: Level; say: Say; size?: number }) {
  return (
    <svg class={`mark ${level}`} width={size} height={size} viewBox="0 0 16 16" role="img" aria-label={say.known('level', level)} fill-rule="evenodd">
      {SHAPES[level] ?? SHAPES.unknown}
    </svg>
  );
}

const STATE_LEVEL: Record<string, Level> = { pass: 'ok', fail: 'bad', unknown: 'unknown', ok: 'ok', warn: 'warn', bad: 'bad', passed: 'ok', fired: 'warn', skipped: 'unknown', error: 'bad' };

export function StateMark({ state, label }: { state: string; label: string }) {
  const level = STATE_LEVEL[state] ?? 'unknown';
  return (
    <svg class={`mark ${level}`} width={14} height={14} viewBox="0 0 16 16" role="img" aria-label={label} fill-rule="evenodd">
      {SHAPES[level]}
    </svg>
  );
}

/** Seven cells in a row: filled holds, crossed fails, hollow cannot be told. */
export function SignalGrid({ signals, say }: { signals: readonly Signal[]; say: Say }) {
  if (signals.length === 0) return <span class="muted">–</span>;
  const pass = signals.filter((s) => s.state === 'pass').length;
  const said = signals.map((s) => `${s.id} ${say.known('signal', s.id)}: ${say(s.state === 'pass' ? 'pass' : s.state === 'fail' ? 'fail' : 'unknown')}`);
  const width = signals.length * 12;
  return (
    <svg class="signal-grid" width={width} height={12} viewBox={`0 0 ${width} 12`} role="img" aria-label={`${say('signals.some', { pass, n: signals.length })}. ${said.join('; ')}`}>
      <title>{said.join('\n')}</title>
      {signals.map((s, i) => {
        const x = i * 12;
        if (s.state === 'pass') return <rect class="pass" x={x + 1.5} y={1.5} width={9} height={9} rx={2} />;
        if (s.state === 'fail') return <path class="fail" d={`M${x + 2} 2l8 8m0-8l-8 8`} />;
        return <rect class="none" x={x + 2} y={2} width={8} height={8} rx={2} />;
      })}
    </svg>
  );
}

function pathOf(values: readonly Num[], low: number, high: number, width: number, height: number): string {
  let path = '';
  let pen = false;
  values.forEach((v, i) => {
    if (v === null || !Number.isFinite(v)) {
      pen = false;
      return;
    }
    const x = values.length === 1 ? width / 2 : (i / (values.length - 1)) * width;
    const y = 1.5 + (1 - (v - low) / (high - low || 1)) * (height - 3);
    path += `${pen ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = true;
  });
  return path;
}

export function Sparkline({ train, evals, width = 104, height = 22 }: { train: readonly Num[]; evals: readonly Num[]; width?: number; height?: number }) {
  const finite = [...train, ...evals].filter((v): v is number => v !== null && Number.isFinite(v)).sort((a, b) => a - b);
  if (finite.length < 2) return <svg class="sparkline" width={width} height={height} aria-hidden="true" />;
  // One wild value must not flatten the rest: both ends are cut at a percentile and a margin.
  const at = (share: number): number => finite[Math.floor((finite.length - 1) * share)]!;
  const usual = (at(0.98) - at(0.02)) * 1.25 || Infinity;
  const low = Math.max(finite[0]!, at(0.98) - usual);
  const high = Math.min(finite[finite.length - 1]!, at(0.02) + usual);
  const within = (values: readonly Num[]): Num[] => values.map((v) => (v === null ? v : Math.min(high, Math.max(low, v))));
  return (
    <svg class="sparkline" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <path class="train" d={pathOf(within(train), low, high, width, height)} />
      <path class="eval" d={pathOf(within(evals), low, high, width, height)} />
    </svg>
  );
}

const SHORT = 14; // characters that fit on a line anywhere

/** A long name may break after the signs that part its words, before it breaks anywhere. */
function breakable(text: string): ComponentChildren {
  if (text.length <= SHORT) return text;
  return text.split(/(?<=[/_.-])(?=[^/_.-])/).flatMap((word, i) => (i === 0 ? [word] : [<wbr />, word]));
}

/** A name from a log: shown as text, isolated from the direction of its neighbours, cut where it is endless. */
export function Name({ children, limit = 240 }: { children: string; limit?: number }) {
  const text = visible(children);
  return (
    <bdi class="name" title={text.length > 40 ? text.slice(0, 400) : undefined}>
      {breakable(text.length > limit ? `${text.slice(0, limit - 1)}…` : text)}
    </bdi>
  );
}

export function Snippet({ text, say }: { text: string; say: Say }) {
  const code = useRef<HTMLElement>(null);
  const [state, setState] = useState<'' | 'copied' | 'failed'>('');
  useEffect(() => {
    if (!state) return undefined;
    const timer = window.setTimeout(() => setState(''), 1800);
    return () => window.clearTimeout(timer);
  }, [state]);
  const copy = async (): Promise<void> => {
    const selection = window.getSelection();
    if (code.current && selection) selection.selectAllChildren(code.current);
    try {
      // Without a secure context (a server reached by its address) there is no clipboard: the text is left selected.
      if (!navigator.clipboard) return setState('failed');
      await navigator.clipboard.writeText(text);
      setState('copied');
      selection?.removeAllRanges();
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      setState('failed');
    }
  };
  return (
    <div class="snippet">
      <pre>
        <code ref={code}>{text}</code>
      </pre>
      <button type="button" class="quiet" onClick={() => void copy()}>
        <span aria-live="polite">{state === 'copied' ? say('copied') : state === 'failed' ? say('copy.failed') : say('copy')}</span>
      </button>
    </div>
  );
}

export function Section({ id, title, aside, children }: { id: string; title: string; aside?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="block" aria-labelledby={`h-${id}`}>
      <header>
        <h2 id={`h-${id}`}>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** One of a few choices, as a row of buttons. */
export function Choice<T extends string>({ name, value, options, onChange }: { name: string; value: T; options: readonly { value: T; text: string }[]; onChange: (value: T) => void }) {
  return (
    <div class="choice" role="group" aria-label={name}>
      {options.map((o) => (
        <button type="button" key={o.value} aria-pressed={o.value === value} onClick={() => onChange(o.value)}>
          {o.text}
        </button>
      ))}
    </div>
  );
}

/** A long list shows its beginning and a button for the rest. */
export function useMore<T>(items: readonly T[], few: number): { shown: readonly T[]; more: (say: Say) => ComponentChildren } {
  const [open, setOpen] = useState(false);
  const cut = items.length > few + 2;
  return {
    shown: cut && !open ? items.slice(0, few) : items,
    more: (say) =>
      cut ? (
        <button type="button" class="quiet more" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? say('show.less') : say('show.all', { n: items.length })}
        </button>
      ) : null,
  };
}
