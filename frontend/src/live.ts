/** Follows a growing log: asks for the status, and for reports only when the revision has changed. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Host } from './host';
import { ServerError, type Source } from './source';
import type { Lang, Report, RunReport, ServerStatus } from './types';

export interface Live {
  status: ServerStatus | null;
  overview: Report | null;
  /** Full reports of the runs asked for, as far as they have come. */
  details: Report<RunReport> | null;
  connection: 'ok' | 'gone';
  lost: number; // seconds since the epoch when the connection was last seen
  fault: string | null; // the server answered with an error
  retry: () => void;
}

const NOW_AND_THEN = 2000; // ms between two questions; the answer to most is "unchanged"
const WHEN_GONE = 3000;

export function useLive(source: Source, host: Host, lang: Lang, wanted: readonly string[], visible: boolean): Live {
  const [state, setState] = useState<Omit<Live, 'retry'>>({ status: null, overview: null, details: null, connection: 'ok', lost: 0, fault: null });
  const asked = wanted.join('\u0000');
  const seen = useRef({ overview: '', details: '' });
  const [kick, setKick] = useState(0);

  useEffect(() => host.onReload(() => setKick((k) => k + 1)), [host]);

  useEffect(() => {
    if (!visible) return undefined;
    let stopped = false;
    let timer = 0;

    async function once(): Promise<void> {
      let wait = NOW_AND_THEN;
      try {
        const status = await source.status();
        if (stopped) return;
        const overviewKey = `${status.revision} ${lang}`;
        const detailsKey = `${overviewKey} ${asked}`;
        const next: Partial<Omit<Live, 'retry'>> = { status, connection: 'ok', lost: Date.now() / 1000, fault: null };
        const [overview, details] = await Promise.all([
          status.runs > 0 && seen.current.overview !== overviewKey ? source.overview(lang) : null,
          asked && status.runs > 0 && seen.current.details !== detailsKey ? source.runs(asked.split('\u0000'), lang) : null,
        ]);
        if (stopped) return;
        if (overview) {
          next.overview = overview;
          seen.current.overview = overviewKey;
        }
        if (details) {
          next.details = details;
          seen.current.details = detailsKey;
        }
        setState((old) => (overview || details || changed(old, status) ? { ...old, ...next } : old));
      } catch (error) {
        if (stopped) return;
        // fetch rejects with a TypeError when nobody answers; anything else is a fault of ours and must be seen.
        if (error instanceof ServerError) setState((old) => ({ ...old, connection: 'ok', fault: error.message }));
        else if (error instanceof TypeError || error instanceof SyntaxError) setState((old) => ({ ...old, connection: 'gone' }));
        else throw error;
        wait = WHEN_GONE;
      }
      if (source.live && !stopped) timer = window.setTimeout(() => void once(), wait);
    }

    void once();
    return () => {
      stopped = true;
      window.clearTimeout(timer);
    };
  }, [source, lang, asked, visible, kick]);

  return { ...state, retry: () => setKick((k) => k + 1) };
}

/** Only a change that a person could see redraws the page. */
function changed(old: Omit<Live, 'retry'>, status: ServerStatus): boolean {
  const was = old.status;
  return (
    was === null ||
    old.connection !== 'ok' ||
    old.fault !== null ||
    was.state !== status.state ||
    was.reason !== status.reason ||
    was.revision !== status.revision ||
    was.runs !== status.runs ||
    was.progress?.done !== status.progress?.done ||
    was.progress?.total !== status.progress?.total
  );
}

/** True while the element can be seen: a hidden tab's iframe stays alive and must cost nothing. */
export function useVisible(element: { current: HTMLElement | null }): boolean {
  const [onScreen, setOnScreen] = useState(true);
  const [awake, setAwake] = useState(document.visibilityState !== 'hidden');
  useEffect(() => {
    const target = element.current;
    if (!target || typeof IntersectionObserver === 'undefined') return undefined;
    const observer = new IntersectionObserver((entries) => setOnScreen(entries.some((e) => e.isIntersecting)));
    observer.observe(target);
    return () => observer.disconnect();
  }, [element]);
  useEffect(() => {
    // TensorBoard gives the frame of another tab no height, and an element of no area counts as seen.
    const update = (): void => setAwake(document.visibilityState !== 'hidden' && window.innerHeight > 0);
    update();
    document.addEventListener('visibilitychange', update);
    window.addEventListener('resize', update);
    return () => {
      document.removeEventListener('visibilitychange', update);
      window.removeEventListener('resize', update);
    };
  }, []);
  return onScreen && awake;
}
