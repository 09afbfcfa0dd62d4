/** The views over the golden report: what stands in the report stands on the page, and hostile text stays text. */
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, describe, expect, it, vi } from 'vitest';

// uPlot needs a canvas: what it draws is looked at in the browser tests.
vi.mock('uplot', () => ({
  default: class {
    cursor = {};
    constructor(
      readonly options: unknown,
      readonly data: unknown,
    ) {}
    destroy(): void {}
    setData(): void {}
    setSize(): void {}
    redraw(): void {}
  },
}));

import { fileHost } from '../src/host';
import { speaker } from '../src/i18n';
import { embeddedSource } from '../src/source';
import type { Lang, Report, RunReport } from '../src/types';
import { START } from '../src/urlstate';
import { App } from '../src/views/app';
import { Compare } from '../src/views/compare';
import { Nothing } from '../src/views/frame';
import { RunView } from '../src/views/run';
import { EN, KO, run } from './golden';

const HOSTILE = '<img src=x onerror=alert(1)></script><b>\u202e';

function page(): HTMLElement {
  document.body.replaceChildren();
  const element = document.createElement('div');
  document.body.append(element);
  return element;
}

function showRun(r: RunReport, report: Report<RunReport> = EN, lang: Lang = 'en'): HTMLElement {
  const element = page();
  const source = embeddedSource({ lang, written_at: 0, reports: { en: EN }, curves: {} });
  act(() => render(<RunView run={r} report={report} view={START} change={() => undefined} source={source} host={fileHost()} theme="light" say={speaker(lang)} />, element));
  return element;
}

afterEach(() => document.body.replaceChildren());

describe('a run', () => {
  it.each(EN.runs.map((r) => r.run))('shows the whole report of %s', (name) => {
    const r = run(name);
    const text = showRun(r).textContent!;
    expect(text).toContain(r.verdict.headline);
    for (const f of r.findings) {
      expect(text).toContain(f.message);
      for (const remedy of f.remedies) expect(text).toContain(remedy.text);
    }
    for (const s of r.signals) expect(text).toContain(s.reason);
    for (const c of r.checks) expect(text).toContain(c.reason);
    for (const i of r.checklist) expect(text).toContain(i.item);
    for (const c of r.checkpoints.slice(0, 8)) expect(text).toContain(c.reason);
    for (const n of r.notes) expect(text).toContain(n.message);
  });
  it('draws the Korean report in Korean', () => {
    const r = run('overfitting', KO);
    const text = showRun(r, KO, 'ko').textContent!;
    expect(text).toContain('과적합');
    expect(text).toContain(r.verdict.headline);
    expect(text).toContain('먼저 할 일');
  });
  it('has a page for every rule that fired', () => {
    for (const r of EN.runs) for (const f of r.findings) expect(EN.rules![f.rule], f.rule).toBeDefined();
    const element = showRun(run('overfitting'));
    expect(element.querySelectorAll('details.rule').length).toBe(run('overfitting').findings.length);
  });
  it('lives with what is missing', () => {
    const bare: RunReport = {
      ...run('insufficient_data'),
      findings: [], checks: [], judgements: [], signals: [], checklist: [], checkpoints: [], ranking: null, cost: null, best: null,
      restarts: [], notes: [], samples: [], roles: {}, sources: [], hparams: {}, curves: {},
    };
    expect(showRun(bare).textContent).toContain('Nothing found: 0 checks passed, 0 were skipped.');
  });
  it('keeps hostile text as text', () => {
    const r = run('overfitting');
    const hostile: RunReport = {
      ...r,
      run: HOSTILE,
      verdict: { ...r.verdict, headline: HOSTILE },
      findings: r.findings.map((f) => ({ ...f, message: HOSTILE, tags: [HOSTILE], remedies: [{ text: HOSTILE, setting: null, from: null, to: null, snippet: HOSTILE }] })),
      notes: [{ kind: 'corrupt', message: HOSTILE, path: HOSTILE, offset: 1 }],
      samples: [{ step: 1, tag: HOSTILE, text: `${HOSTILE}\n**not bold** [x](javascript:alert(1))` }],
      hparams: { [HOSTILE]: HOSTILE },
      checkpoints: r.checkpoints.map((c) => ({ ...c, path: HOSTILE })),
    };
    const element = showRun(hostile);
    expect(element.querySelector('img, script, b, strong')).toBe(null);
    expect(element.textContent).toContain('<img src=x onerror=alert(1)>');
    expect(element.querySelector('.sample')!.textContent).toContain('**not bold** [x](javascript:alert(1))');
    expect([...element.querySelectorAll('a')].every((a) => !a.href.startsWith('javascript:'))).toBe(true);
  });
});

describe('the page', () => {
  const start = async (report: Report<RunReport> = EN): Promise<HTMLElement> => {
    const element = page();
    window.location.hash = '';
    render(<App host={fileHost()} source={embeddedSource({ lang: 'en', written_at: 0, reports: { en: report, ko: KO }, curves: {} })} reportLang="en" />, element);
    await vi.waitFor(() => expect(element.querySelector('main:not(.nothing-yet)')).not.toBe(null));
    return element;
  };
  it('lists the runs, worst first', async () => {
    const element = await start();
    expect([...element.querySelectorAll('.runs .open')].map((e) => e.textContent)).toEqual(EN.runs.map((r) => r.run));
    expect(element.querySelectorAll('.signal-grid').length).toBe(EN.runs.length);
  });
  it('opens a run, and the only one by itself', async () => {
    const element = await start();
    (element.querySelector('.runs .open') as HTMLElement).click();
    await vi.waitFor(() => expect(element.querySelector('.verdict h1')).not.toBe(null));
    const single = await start({ ...EN, runs: [run('nan')] });
    await vi.waitFor(() => expect(single.querySelector('.headline')?.textContent).toBe(run('nan').verdict.headline));
  });
  it('compares', () => {
    const element = page();
    act(() => render(<Compare runs={[run('overfitting'), run('ideal')]} view={START} change={() => undefined} theme="light" say={speaker('en')} />, element));
    const text = element.textContent!;
    expect(text).toContain('Compare 2 runs');
    expect(text).toContain(run('ideal').verdict.headline);
    expect(element.querySelectorAll('.compare-table thead th').length).toBe(2);
  });
  it.each([
    [{ state: 'empty' as const, reason: null, progress: null }, 'No training runs here yet'],
    [{ state: 'error' as const, reason: 'no permission', progress: null }, 'no permission'],
    [{ state: 'reading' as const, reason: null, progress: { done: 3, total: 9 } }, '3 of 9 runs'],
  ])('says why there is nothing yet: %o', (status, words) => {
    const element = page();
    act(() => render(<Nothing status={{ revision: 'x', mode: 'full', read_at: null, runs: 0, ...status }} connection="ok" say={speaker('en')} />, element));
    expect(element.textContent).toContain(words);
  });
});
