/** One run: the verdict in a sentence, what to do first, the curves, and everything that speaks for and against it. */
import { useMemo, useState } from 'preact/hooks';
import { age, duration, int, num, percent, short, visible, withinRun } from '../format';
import type { Host } from '../host';
import type { Say } from '../i18n';
import type { Source } from '../source';
import type { Finding, Remedy, Report, RunReport } from '../types';
import type { ViewState } from '../urlstate';
import { Charts } from './charts';
import { FindingCard, RemedyText } from './finding';
import { LevelMark, Name, Section, Snippet } from './parts';
import { Checklist, Checkpoints, Checks, Judgements, Notes, Samples, Signals } from './tables';

interface Props {
  run: RunReport;
  report: Report<RunReport>;
  view: ViewState;
  change: (part: Partial<ViewState>) => void;
  source: Source;
  host: Host;
  theme: string;
  say: Say;
}

/** The cause's first remedy: findings come in the order of causes, consequences name what explains them. */
export function firstRemedy(findings: readonly Finding[]): { finding: Finding; remedy: Remedy } | null {
  for (const finding of findings) {
    if (finding.explained_by || finding.severity === 'info') continue;
    const remedy = finding.remedies[0];
    if (remedy) return { finding, remedy };
  }
  return null;
}

function Verdict({ run, say }: { run: RunReport; say: Say }) {
  const { verdict, status } = run;
  const first = firstRemedy(run.findings);
  const stalled = status.state === 'stalled' && status.last_wall_time !== null ? age(Date.now() / 1000 - status.last_wall_time, say.lang) : null;
  return (
    <section class={`verdict ${verdict.level}`} aria-labelledby="h-verdict">
      <div class="verdict-head">
        <LevelMark level={verdict.level} say={say} size={22} />
        <h1 id="h-verdict">{say.known('label', verdict.label)}</h1>
        <span class="muted">
          {say('confidence', { value: percent(verdict.confidence) })}
          {verdict.onset_step !== null && ` · ${say('onset', { step: int(verdict.onset_step) })}`}
          {run.mode === 'sampled' && ` · ${say('sampled.short')}`}
        </span>
      </div>
      <p class="headline">{verdict.headline}</p>
      {stalled && <p class="muted">{say('stalled.note', { time: stalled })}</p>}
      {first && (
        <div class="first">
          <h2>{say('do.first')}</h2>
          <p>
            <RemedyText remedy={first.remedy} say={say} />
          </p>
          {first.remedy.snippet && <Snippet text={first.remedy.snippet} say={say} />}
        </div>
      )}
    </section>
  );
}

function Facts({ run, say }: { run: RunReport; say: Say }) {
  const { best, status, cost } = run;
  const facts: [string, string, string][] = [];
  if (best && best.value !== null) {
    facts.push([say('fact.best.short'), num(best.value), [visible(best.metric ?? '').slice(0, 120), best.step !== null ? say('findings.step', { from: int(best.step) }) : '', best.last_value !== null && best.last_value !== best.value ? say('fact.last', { value: num(best.last_value) }) : ''].filter(Boolean).join(' · ')]);
    if (best.gap !== null) facts.push([say('fact.gap'), num(best.gap, 3), '']);
    if (best.perplexity !== null) facts.push([say('fact.perplexity'), num(best.perplexity, 3), '']);
  }
  const chosen = run.checkpoints.find((c) => c.recommended);
  if (chosen) facts.push([say('checkpoints.use'), `★ ${chosen.path !== null ? withinRun(chosen.path, run.run) : `${say('x.step')} ${int(chosen.step)}`}`, chosen.on_disk ? '' : say('checkpoints.not_on_disk')]);
  facts.push([
    say('fact.step'),
    `${int(status.last_step)}${status.planned_steps !== null ? ` / ${int(status.planned_steps)}` : ''}`,
    status.epoch !== null ? `${say('fact.epoch')} ${short(status.epoch, 3)}` : '',
  ]);
  facts.push([say('fact.state'), say.known('state', status.state), status.remaining_seconds !== null && status.state === 'running' ? say('fact.remaining', { time: duration(status.remaining_seconds, say.lang) }) : status.reason]);
  if (cost) {
    if (cost.wall_seconds !== null) {
      const pauses = cost.active_seconds !== null && cost.wall_seconds - cost.active_seconds > 0.05 * cost.wall_seconds;
      facts.push([say('fact.time'), duration(cost.wall_seconds, say.lang), pauses ? say('fact.active', { time: duration(cost.active_seconds, say.lang) }) : '']);
    }
    if (cost.seconds_per_epoch !== null) facts.push([say('fact.per_epoch'), duration(cost.seconds_per_epoch, say.lang), '']);
    if (cost.seconds_per_step !== null) facts.push([say('fact.per_step'), duration(cost.seconds_per_step, say.lang), '']);
    if (cost.eval_share !== null && cost.eval_share > 0.01) facts.push([say('fact.eval_share'), percent(cost.eval_share), '']);
    if (cost.slowdown !== null && cost.slowdown > 1.1) facts.push([say('fact.slowdown'), `×${short(cost.slowdown, 2)}`, '']);
  }
  if (run.restarts.length > 0) facts.push([say('fact.restarts'), int(run.restarts.length), '']);
  facts.push([say('fact.profile'), run.profile.id, run.profile.reason]);
  if (run.framework) facts.push([say('fact.framework'), say.known('framework', run.framework), '']);
  return (
    <section class="block facts" aria-label={say('facts')}>
      <dl>
        {facts.map(([name, value, note]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <span class="fact">{value}</span>
              {note && (
                <span class={note.length > 18 ? 'muted long' : 'muted'} title={note.length > 120 ? note : undefined}>
                  {' '}
                  {note}
                </span>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const LONGEST_TAG = 200; // characters that may stand in a link
const EVIDENCE_MARGIN = 0.15; // of its length, shown on each side when the chart goes to it

export function RunView({ run, report, view, change, source, host, theme, say }: Props) {
  const [focus, setFocus] = useState<{ id: string; steps: [number, number] } | null>(null);
  const last = run.status.last_step ?? 0;
  const show = (id: string) => (steps: [number, number]) => {
    if (focus?.id === id) {
      setFocus(null);
      change({ zoom: null });
      return;
    }
    const margin = Math.max((steps[1] - steps[0]) * EVIDENCE_MARGIN, last * 0.02, 1);
    setFocus({ id, steps });
    change({ zoom: [Math.max(0, steps[0] - margin), Math.min(Math.max(last, steps[1]), steps[1] + margin)] });
    const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    document.getElementById('charts')?.scrollIntoView({ block: 'nearest', behavior: still ? 'auto' : 'smooth' });
  };
  const native = useMemo(() => {
    const tags = new Set(Object.values(run.roles).flatMap((r) => r.parts ?? [r.tag]));
    return host.timeSeries(
      run.tb_runs,
      [...tags].filter((tag) => tag.length < LONGEST_TAG),
    );
  }, [run, host]);
  const hasCurves = run.curves !== undefined;

  return (
    <main id="main" class="run" tabIndex={-1}>
      <div class="run-name">
        <Name limit={300}>{run.run}</Name>
        {native && (
          <a href={native} target="_parent" rel="noopener">
            {say('open.timeseries')} <span class="sr">{say('opens.elsewhere')}</span>
          </a>
        )}
      </div>
      <Verdict run={run} say={say} />
      <div class="columns">
        <div class="column">
          <section id="charts" class="block" aria-label={say('chart.loss')}>
            {hasCurves ? (
              <Charts
                run={run}
                view={view}
                change={(part) => {
                  if ('zoom' in part) setFocus(null);
                  change(part);
                }}
                focus={focus?.steps ?? null}
                source={source}
                theme={theme}
                say={say}
              />
            ) : (
              <p class="muted loading">{say('loading.run')}</p>
            )}
          </section>
          <Section id="findings" title={say('findings')}>
            {run.findings.length === 0 && <p class="muted">{say('findings.none', { passed: run.checks.filter((c) => c.outcome === 'passed').length, skipped: run.checks.filter((c) => c.outcome === 'skipped').length })}</p>}
            {run.findings.map((finding, i) => {
              const id = finding.id ?? `${finding.rule}.${i}`;
              return <FindingCard key={id} finding={finding} doc={report.rules?.[finding.rule]} say={say} onShow={hasCurves ? show(id) : null} shown={focus?.id === id} />;
            })}
          </Section>
          <Checkpoints run={run} say={say} />
          <Judgements run={run} say={say} />
          <Samples run={run} say={say} />
          <Checks checks={run.checks} say={say} />
          <Notes run={run} say={say} />
        </div>
        <aside class="column side" aria-label={say('signals')}>
          <Signals signals={run.signals} say={say} />
          <Facts run={run} say={say} />
          <Checklist items={run.checklist} phase={run.status.phase} say={say} />
        </aside>
      </div>
    </main>
  );
}
