/** The functions without a page: numbers, address, order and filter, axes and ranges. */
import { describe, expect, it } from 'vitest';
import { align, axes, axisMap, clipLimit, crossing, describe as inWords, interpolate, mainPanel, nearest, smallPanels, spread, xRange, yRange, type Line } from '../src/chart/data';
import { age, aligned, bytes, clock, clockTicks, duration, fixed, int, logTicks, num, places, scalar, short, stepTicks, ticks, visible, wire, withinRun } from '../src/format';
import { readTabHash, timeSeriesAddress, writeTabHash, coloursByOrder } from '../src/host';
import { CATALOGUE, speaker } from '../src/i18n';
import { byUse, countLevels, hparamColumns, labelsOf, matcher, visibleRuns, windowOf } from '../src/table';
import { read, START, write, type ViewState } from '../src/urlstate';
import { shortNames } from '../src/views/compare';
import { firstRemedy } from '../src/views/run';
import { sharedWord, telling } from '../src/views/tables';
import { EN, KO, run } from './golden';

const say = speaker('en');

describe('numbers', () => {
  it('shows values as a person reads them', () => {
    expect([0, 7, 1.10986, 0.25, -0.0312, 123.456, 1234567, 2e-5, NaN, Infinity].map((v) => num(v))).toEqual(['0', '7', '1.110', '0.2500', '−0.03120', '123.5', '1.23e6', '2e−5', 'NaN', '∞']);
    expect(num(-3.84e-5)).toBe('−3.84e−5');
    expect(num(null)).toBe('–');
    expect(num('NaN')).toBe('NaN');
    expect(fixed(1.23456, 2)).toBe('1.23');
    expect(fixed('-Infinity', 2)).toBe('−∞');
    expect([1234.6, 81568.2, -4197.5].map((v) => num(v))).toEqual(['1,235', '81,568', '−4,197']);
    expect([0.001, 0.000018, 2.39, 1500, NaN].map((v) => short(v))).toEqual(['0.001', '1.8e−5', '2.39', '1,500', 'NaN']);
    expect(wire('Infinity')).toBe(Infinity);
    expect(int(1234567)).toBe('1,234,567');
    expect(bytes(0)).toBe('0 B');
    expect(bytes(15_300_000_000)).toBe('15 GB');
    expect(places([1.2, 1.1, null])).toBe(3);
    expect(scalar(2e-5)).toBe('2e-5');
    expect(scalar('x'.repeat(100), 10)).toBe(`${'x'.repeat(9)}…`);
  });
  it('never shows a value as nothing but zeros', () => {
    expect(fixed(4.6e-5, 4)).toBe('4.6e−5');
    expect([fixed(8324.4, 0), fixed(-1492, 0), fixed(12345.678, 2), fixed(2.074e7, 0)]).toEqual(['8,324', '−1,492', '12,345.68', '2.07e7']);
    expect(fixed(0, 4)).toBe('0.0000');
    expect(aligned(1.4e-6, 4)).toBe('1.4e−6');
    expect(aligned(3.6e-4, 4)).toBe('3.6e−4');
  });
  it('puts the points of a column below one another, whatever the size of its values', () => {
    const column = [0.8713, 32.798, 680.2, -113.7905, 20741].map((v) => aligned(v, 4));
    expect(column.map((text) => text.trimEnd())).toEqual(['0.8713', '32.798', '680.20', '−113.79', '20,741']);
    // A figure space is as wide as a digit, a punctuation space as wide as the point.
    expect(column.map((text) => text.replace(/^.*?([.\u2008])/, '').length)).toEqual([4, 4, 4, 4, 4]);
  });
  it('shows times with the units that matter, in both languages', () => {
    expect(duration(0.17, 'en')).toBe('0.17 s');
    expect(duration(59, 'en')).toBe('59 s');
    expect(duration(3661, 'en')).toBe('1 h 1 min');
    expect(duration(7199, 'en')).toBe('2 h');
    expect(duration(3 * 86400 + 7200, 'ko')).toBe('3일 2시간');
    expect(duration(1.25, 'en')).toBe('1.3 s');
    expect(duration(3599, 'en')).toBe('1 h');
    expect(age(327 * 86400, 'en')).toBe('10 mo');
    expect(age(1106 * 86400, 'ko')).toBe('3년');
    expect(duration(NaN, 'en')).toBe('–');
    expect(age(90_000, 'en')).toBe('1 d');
    expect(age(3900, 'en')).toBe('1 h');
    expect(clock(1e300, 'en')).toBe('–');
  });
  it('gives an axis labels of equal decimals', () => {
    expect(ticks([0, 0.5, 1, 1.5])).toEqual(['0.0', '0.5', '1.0', '1.5']);
    expect(ticks([0, 100, 200])).toEqual(['0', '100', '200']);
    expect(ticks([2.25, 2.5, 2.75])).toEqual(['2.25', '2.50', '2.75']);
    expect(ticks([1, 10, 100, null])).toEqual(['1', '10', '100', '']);
    expect(ticks([1e-5, 2e-5])).toEqual(['1e−5', '2e−5']);
    expect(ticks([0, 10000, 20000])).toEqual(['0', '10,000', '20,000']);
  });
  it('names steps briefly where they are long', () => {
    expect(stepTicks([0, 500, 1000], 1000, true)).toEqual(['0', '500', '1,000']);
    expect(stepTicks([0, 100_000, 200_000], 240_000, false)).toEqual(['0', '100,000', '200,000']);
    expect(stepTicks([0, 100_000, 200_000], 240_000, true)).toEqual(['0', '100k', '200k']);
    expect(stepTicks([0, 2_500_000, 5_000_000], 6e6, false)).toEqual(['0', '2.5M', '5M']);
    expect(stepTicks([0.5, 1], 1, false)).toEqual(['', '1']);
  });
  it('labels a logarithmic axis at whole numbers, never two on one another', () => {
    const at = (v: number): number => -100 * Math.log10(v);
    expect(logTicks([0.513, 0.6, 0.7, 0.8, 0.9, 1, 2, 3, 5, 10], at, 20)).toEqual([null, 0.6, null, null, null, 1, 2, null, 5, 10]);
  });
  it('names the day on an axis of times where it changes', () => {
    const noon = new Date(2026, 0, 2, 12).getTime() / 1000;
    expect(clockTicks([noon, noon + 6 * 3600, noon + 12 * 3600], 6 * 3600, 'en')).toEqual(['12:00', '18:00', '3 Jan']);
    expect(clockTicks([noon], 30, 'en')).toEqual(['12:00:00']);
  });
  it('makes control characters and direction marks visible', () => {
    expect(visible('a\u202eb\u0007c\nd')).toBe('a⟨202E⟩b␇c␊d');
    expect(visible('한국어 🔥 <b>')).toBe('한국어 🔥 <b>');
    expect(withinRun('a/checkpoint-5', 'a')).toBe('checkpoint-5');
    expect(withinRun('ab/checkpoint-5', 'a')).toBe('ab/checkpoint-5');
  });
});

describe('address', () => {
  const full: ViewState = {
    view: 'run', run: 'a/b & <c>', selected: ['x,y', '한'], query: '^a.*(b|c)$', regex: true, levels: ['bad', 'ok'], label: 'nan',
    sort: 'hp:lr', descending: true, x: 'epoch', y: 'log', clip: true, zoom: [10, 250.5],
  };
  it('restores what was looked at', () => {
    expect(read(write(full))).toEqual(full);
    expect(read(write(START))).toEqual(START);
    expect(write(START)).toEqual({});
    const hash = writeTabHash('#evalguide', write(full));
    expect(read(readTabHash(hash))).toEqual(full);
    // Written again, nothing piles up, and what belongs to others stays.
    expect(writeTabHash(hash, write(full))).toBe(hash);
    expect(writeTabHash('#evalguide&other=1&p.evalguide.run=old', { run: 'new' })).toBe('#evalguide&other=1&p.evalguide.run=new');
  });
  it.each([
    { sel: '{"a":1}' }, { sel: '[' }, { zoom: '5~1' }, { zoom: 'a~b' }, { zoom: '1' }, { x: 'evil' }, { view: 'run' }, { view: 'compare' }, { levels: 'evil' },
  ])('leaves out what does not fit: %o', (params) => {
    expect(read(params)).toEqual(START);
  });
  it('links to the native chart, names escaped', () => {
    const url = new URL(timeSeriesAddress('http://h/prefix/?x=1#evalguide&p.evalguide.run=a', ['a.b(c)'], ['train/loss', 'a|b']));
    expect(url.pathname).toBe('/prefix/');
    expect(url.hash).toBe('#timeseries');
    expect(new RegExp(url.searchParams.get('runFilter')!).test('a.b(c)')).toBe(true);
    expect(new RegExp(url.searchParams.get('runFilter')!).test('aXb(c)')).toBe(false);
    const tags = new RegExp(url.searchParams.get('tagFilter')!);
    expect([tags.test('train/loss'), tags.test('a|b'), tags.test('a')]).toEqual([true, true, false]);
  });
  it('gives colours in the order of the runs, beginning anew after seven', () => {
    const colours = coloursByOrder(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], 'light');
    expect(colours.get('h')).toBe(colours.get('a'));
    expect(new Set(colours.values()).size).toBe(7);
  });
});

describe('order and filter', () => {
  const view = { ...START };
  it('keeps the order of the report, worst first', () => {
    expect(visibleRuns(EN, view).map((r) => r.run)).toEqual(EN.runs.map((r) => r.run));
  });
  it('sorts every column both ways, missing values last', () => {
    for (const sort of ['run', 'confidence', 'best', 'best_step', 'signals', 'progress', 'age', 'hp:learning_rate']) {
      const up = visibleRuns(EN, { ...view, sort }).map((r) => r.run);
      const down = visibleRuns(EN, { ...view, sort, descending: true }).map((r) => r.run);
      expect(new Set(up)).toEqual(new Set(down));
    }
    const byRate = visibleRuns(EN, { ...view, sort: 'hp:learning_rate', descending: true });
    const last = byRate[byRate.length - 1]!;
    expect(EN.runs.some((r) => r.hparams['learning_rate'] === undefined)).toBe(last.hparams['learning_rate'] === undefined);
  });
  it('filters by words, expression, level and label', () => {
    expect(visibleRuns(EN, { ...view, query: 'OVERFIT' }).map((r) => r.run)).toContain('overfitting');
    expect(visibleRuns(EN, { ...view, query: '^(nan|ideal)$', regex: true }).map((r) => r.run).sort()).toEqual(['ideal', 'nan']);
    expect(visibleRuns(EN, { ...view, query: '(', regex: true })).toEqual([]);
    expect(matcher('(', true).broken).toBe(true);
    expect(visibleRuns(EN, { ...view, levels: ['ok'] }).every((r) => r.verdict.level === 'ok')).toBe(true);
    expect(visibleRuns(EN, { ...view, label: 'nan' }).map((r) => r.run)).toEqual(['nan']);
  });
  it('counts and names', () => {
    expect(Object.values(countLevels(EN.runs)).reduce((a, b) => a + b)).toBe(EN.runs.length);
    expect(labelsOf(EN)).toContain('overfitting');
    expect(byUse(['seed', 'zeta', 'learning_rate', 'alpha'])).toEqual(['learning_rate', 'seed', 'alpha', 'zeta']);
    const some = { ...EN, differing: ['learning_rate', 'same', 'rare'], runs: EN.runs.map((r, i) => ({ ...r, hparams: { learning_rate: i, same: 1, ...(i === 0 ? { rare: 1 } : {}) } })) };
    expect(hparamColumns(some, 4)).toEqual(['learning_rate']);
  });
  it('draws only the rows in sight', () => {
    expect(windowOf(1000, 38, 0, 760)).toEqual([0, 28]);
    const [first, last] = windowOf(1000, 38, 19000, 760);
    expect(first).toBeLessThanOrEqual(500);
    expect(last).toBeGreaterThanOrEqual(520);
    expect(last - first).toBeLessThan(50);
    expect(windowOf(0, 38, 0, 760)).toEqual([0, 0]);
    expect(windowOf(5, 38, 10_000, 760)[1]).toBe(5);
  });
  it('says a name once that all share', () => {
    expect(sharedWord(['eval/f1 0.81', null, 'eval/f1 0.7'])).toBe('eval/f1');
    expect(sharedWord(['eval/f1 0.81', 'eval/em 0.7'])).toBe('');
    expect(sharedWord(['very good', 'good'])).toBe('');
    expect(sharedWord([null])).toBe('');
  });
  it('chooses the telling rows of a long judgement', () => {
    const rows = Array.from({ length: 200 }, (_, i) => ({ step: i, train_loss: 1, eval_loss: 1, gap: 0, perplexity: null, level: i < 120 ? ('ok' as const) : ('bad' as const), reason: '' }));
    const shown = telling(rows, 12).map((r) => r.step);
    expect(shown).toContain(0);
    expect(shown).toContain(119);
    expect(shown).toContain(120);
    expect(shown).toContain(199);
    expect(shown.length).toBeLessThanOrEqual(13);
    expect(telling(rows.slice(0, 14), 12)).toHaveLength(14);
  });
});

describe('curves', () => {
  const overfit = run('overfitting');
  const curves = overfit.curves!;
  it('offers the axes that the log allows', () => {
    expect(axes(Object.values(curves))).toEqual(['step', 'epoch', 'relative', 'wall']);
    expect(axes([{ ...curves['train_loss']!, epochs: null, wall_times: curves['train_loss']!.wall_times.map(() => 5) }])).toEqual(['step']);
  });
  it.each(['step', 'epoch', 'relative', 'wall'] as const)('maps steps to %s and back', (kind) => {
    const axis = axisMap(Object.values(curves), kind);
    const { steps } = curves['train_loss']!;
    for (const step of [steps[0]!, steps[10]!, steps[steps.length - 1]!]) expect(axis.back(axis.at(step))).toBeCloseTo(step, 3);
    const xs = axis.of(curves['train_loss']!);
    expect(xs.every((x, i) => i === 0 || x >= xs[i - 1]!)).toBe(true);
    if (kind === 'relative') expect(xs[0]).toBeGreaterThanOrEqual(0);
  });
  it('interpolates and goes on outside', () => {
    expect(interpolate([0, 10], [0, 100], 5)).toBe(50);
    expect(interpolate([0, 10], [0, 100], 20)).toBe(200);
    expect(interpolate([3], [7], 99)).toBe(7);
    expect(interpolate([], [], 4)).toBe(4);
  });
  it('draws train and eval with the gap between them', () => {
    const axis = axisMap(Object.values(curves), 'step');
    const main = mainPanel(overfit, curves, axis, say)!;
    expect(main.lines.filter((l) => l.named).map((l) => l.label)).toEqual(['train', 'eval']);
    expect(main.bands.length).toBe(overfit.judgements.filter((j) => j.gap !== null).length);
    const small = smallPanels(overfit, curves, axis, say, main);
    expect(small.map((p) => p.id)).toEqual(expect.arrayContaining(['learning_rate', 'grad_norm', 'gap', 'perplexity']));
    expect(small.find((p) => p.id === 'grad_norm')!.level?.value).toBe(clipLimit(overfit.hparams));
    expect(inWords(main, say, num, int)).toMatch(/^Loss: train from .* lowest .* at step /);
    const [low, high] = xRange([main, ...small]);
    expect(low).toBeLessThan(high);
  });
  it('marks what is not finite and leaves a hole there', () => {
    const nan = run('nan');
    const axis = axisMap(Object.values(nan.curves!), 'step');
    const main = mainPanel(nan, nan.curves!, axis, say)!;
    expect(main.nonfinite.length).toBeGreaterThan(0);
    expect(main.nonfinite[0]!.what).toBe('NaN');
    const raw = main.lines.find((l) => l.id === 'train')!;
    expect(raw.y).toContain(null);
  });
  const line = (y: (number | null)[]): Line => ({ id: 'l', label: 'l', ink: 'plain', style: 'strong', steps: y.map((_, i) => i), x: y.map((_, i) => i), y, named: true });
  const panel = (y: (number | null)[]) => ({ id: 'p', title: 'p', lines: [line(y)], bands: [], level: null, nonfinite: [], note: null });
  it('never hides a spike unless asked, and counts what it then cuts', () => {
    const noisy = Array.from({ length: 200 }, (_, i) => 1 + 0.01 * Math.sin(i * 7));
    noisy[77] = 50;
    expect(yRange(panel(noisy), 0, 199, false, false).range[1]).toBeGreaterThan(50);
    // By itself only a start that lies far off the rest is cut, and not where the verdict points at it.
    const start = [900, ...new Array<number>(99).fill(1).map((v, i) => v + i / 100)];
    expect(yRange(panel(start), 0, 99, false, null)).toMatchObject({ cut: 1 });
    expect(yRange(panel(start), 0, 99, false, null).range[1]).toBeLessThan(3);
    expect(yRange(panel(start), 0, 99, false, null, 0).cut).toBe(0);
    expect(yRange(panel(start), 0, 99, false, false).cut).toBe(0);
    expect(yRange(panel(noisy), 0, 199, false, null).cut).toBe(0);
    const cut = yRange(panel(noisy), 0, 199, false, true);
    expect(cut.range[1]).toBeLessThan(1.2);
    expect(cut.cut).toBe(1);
  });
  it('keeps lines that leave a zoom inside its range', () => {
    const rising = line([0, 10, 20, 30]);
    expect(crossing(rising, 1.5)).toBe(15);
    expect(crossing(rising, 3)).toBe(30);
    expect([crossing(rising, -1), crossing(rising, 4), crossing(line([1, null, 3]), 0.5)]).toEqual([null, null, null]);
    expect(yRange({ ...panel([]), lines: [rising] }, 0.5, 2.5, false, false).range[1]).toBeGreaterThan(25);
  });
  it('leaves a logarithmic axis where it would tell nothing', () => {
    expect(spread(panel([0.001, 0.001]))).toBe(false);
    expect(spread(panel([-1, -5]))).toBe(false);
    expect(spread(panel([0.5, 3]))).toBe(true);
  });
  it('shortens names to what tells them apart', () => {
    expect(shortNames(['d020', 'd010/lightning_logs/version_0', 'd028/lightning_logs/version_0'])).toEqual(['d020', 'd010…', 'd028…']);
    const long = (seed: number): string => `experiments_llama3-8b_lora-r64_seed${seed}_attempt-0004_with-packed-sequences`;
    expect(shortNames([long(1337), long(1338)])).toEqual(['…seed1337…', '…seed1338…']);
    expect(shortNames(['a'.repeat(40)])[0]!.length).toBeLessThanOrEqual(18);
    expect(new Set(shortNames([`${'a'.repeat(20)}X${'b'.repeat(20)}`, `${'a'.repeat(20)}Y${'b'.repeat(20)}`])).size).toBe(2);
  });
  it('keeps logarithmic ranges above zero', () => {
    const { range } = yRange(panel([0, -1, 0.001, 10]), 0, 3, true, false);
    expect(range[0]).toBeGreaterThan(0);
    expect(yRange(panel([null, null]), 0, 1, true, false).range).toEqual([0.1, 10]);
  });
  it('aligns lines of different steps: no point is not the same as no number', () => {
    const a = { ...line([1, null, 3]), x: [0, 10, 20] };
    const b = { ...line([5]), x: [10] };
    const { x, ys } = align([a, b], false);
    expect(x).toEqual([0, 10, 20]);
    expect(ys[0]).toEqual([1, null, 3]);
    expect(ys[1]).toEqual([undefined, 5, undefined]);
    expect(align([a], true).ys[0]).toEqual([1, null, 3]);
    expect(nearest(x, ys[1]!, 19, 2)).toBe(1);
    expect(nearest([], [], 0, 0)).toBe(null);
  });
});

describe('first remedy', () => {
  it('is that of the cause', () => {
    const { findings } = run('overfitting');
    const first = firstRemedy(findings)!;
    expect(first.finding.explained_by).toBe(null);
    expect(first.finding.severity).not.toBe('info');
    expect(firstRemedy([])).toBe(null);
  });
});

describe('languages', () => {
  it('say everything, with the same values', () => {
    const values = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]!).sort();
    for (const [key, words] of Object.entries(CATALOGUE)) {
      expect(words.en, key).toBeTruthy();
      expect(words.ko, key).toBeTruthy();
      expect(values(words.ko), key).toEqual(values(words.en));
    }
  });
  it('know every word of the report that the page translates itself', () => {
    const labels = 'healthy overfitting underfitting lr_too_high lr_too_low divergence nan spike oscillation exploding_gradients vanishing_gradients plateau lr_schedule resume_jump stalled out_of_memory slow data_integrity insufficient_data'.split(' ');
    for (const label of labels) expect(CATALOGUE[`label.${label}`], label).toBeDefined();
    for (const report of [EN, KO])
      for (const r of report.runs) {
        expect(CATALOGUE[`level.${r.verdict.level}`]).toBeDefined();
        expect(CATALOGUE[`state.${r.status.state}`]).toBeDefined();
        for (const f of r.findings) {
          expect(CATALOGUE[`severity.${f.severity}`]).toBeDefined();
          for (const name of Object.keys(f.evidence)) expect(CATALOGUE[`evidence.${name}`], name).toBeDefined();
        }
        for (const role of Object.keys(r.roles)) expect(CATALOGUE[`role.${role}`], role).toBeDefined();
        for (const s of r.signals) expect(CATALOGUE[`signal.${s.id}`]).toBeDefined();
        for (const i of r.checklist) expect(CATALOGUE[`phase.${i.id}`]).toBeDefined();
        for (const c of r.checks) expect(CATALOGUE[`checks.${c.outcome}`]).toBeDefined();
      }
  });
  it('let unknown words of a newer report through', () => {
    expect(speaker('ko').known('label', 'brand_new')).toBe('brand new');
  });
});
