/** The tables of a run: checkpoints, judgements, signals, checklist, checks, samples, notes. Each draws the report as it is. */
import { useMemo, useState } from 'preact/hooks';
import { bytes, fixed, int, num, places, scalar, visible, withinRun } from '../format';
import type { Key, Say } from '../i18n';
import type { Check, Checkpoint, ChecklistItem, Judgement, RunReport, Signal } from '../types';
import { Name, Section, StateMark, useMore } from './parts';

/** The name that all qualities begin with ("eval/f1 0.81"): said once, in the head of the column. */
export function sharedWord(qualities: readonly (string | null)[]): string {
  const words = new Set(qualities.filter((q): q is string => q !== null).map((q) => (/^(\S+) -?[\d.]+/.exec(q) ?? [])[1] ?? ''));
  return words.size === 1 ? [...words][0]! : '';
}

export function Checkpoints({ run, say }: { run: RunReport; say: Say }) {
  const { shown, more } = useMore(run.checkpoints, 8);
  const ranking = run.ranking;
  const value = places(run.checkpoints.map((c) => c.value));
  const gap = Math.min(value, 4);
  const quality = sharedWord(run.checkpoints.map((c) => c.quality));
  const numbers = run.checkpoints.flatMap((c) => (quality && c.quality !== null ? [Number(c.quality.slice(quality.length + 1))] : []));
  const qualityPlaces = numbers.length > 0 && numbers.every(Number.isFinite) ? Math.min(4, places(numbers)) : null;
  const has = (key: 'gap' | 'perplexity' | 'quality'): boolean => run.checkpoints.some((c) => c[key] !== null && c[key] !== undefined);
  const facts = [
    ranking?.best_evaluated !== null && ranking?.best_evaluated !== undefined ? say('checkpoints.evaluated', { step: int(ranking.best_evaluated) }) : '',
    ranking?.best_on_disk !== null && ranking?.best_on_disk !== undefined ? say('checkpoints.saved', { step: int(ranking.best_on_disk) }) : '',
    ranking?.regret ? say('checkpoints.regret', { value: num(ranking.regret, 3) }) : '',
  ].filter(Boolean);
  return (
    <Section id="checkpoints" title={say('checkpoints')} aside={<span class="muted">{facts.join(' · ')}</span>}>
      {run.checkpoints.length === 0 ? (
        // The report's own note says it better, where there is one.
        (ranking?.notes ?? []).length === 0 && <p class="muted">{say('checkpoints.none')}</p>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label={say('checkpoints')}>
          <table class="data fold" style={{ '--columns': 3 + Number(has('gap')) + Number(has('perplexity')) + Number(has('quality')) }}>
            <thead>
              <tr>
                <th class="r">{say('checkpoints.rank')}</th>
                <th class="r">{say('checkpoints.step')}</th>
                <th class="r">
                  <Name limit={80}>{ranking?.metric ?? run.checkpoints[0]!.metric}</Name>
                </th>
                {has('gap') && <th class="r">{say('checkpoints.gap')}</th>}
                {has('perplexity') && <th class="r">{say('checkpoints.perplexity')}</th>}
                {has('quality') && <th class={quality ? 'r' : ''}>{quality ? <Name limit={80}>{quality}</Name> : say('checkpoints.quality')}</th>}
                <th class="own">{say('checkpoints.disk')}</th>
                <th class="own fill">{say('checkpoints.reason')}</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((c: Checkpoint) => (
                <tr key={`${c.rank}.${c.step}`} class={c.recommended ? 'chosen' : ''}>
                  <td class="r">
                    {c.recommended && (
                      <span class="star" role="img" aria-label={say('checkpoints.use')}>
                        ★{' '}
                      </span>
                    )}
                    {c.rank}
                  </td>
                  <td class="r">{int(c.step)}</td>
                  <td class="r">
                    {fixed(c.value, value)}
                    {c.tied && (
                      <abbr class="tied" title={say('checkpoints.tied')}>
                        ≈
                      </abbr>
                    )}
                  </td>
                  {has('gap') && <td class="r">{fixed(c.gap, gap)}</td>}
                  {has('perplexity') && <td class="r">{fixed(c.perplexity, 2)}</td>}
                  {has('quality') && <td class={quality ? 'r' : ''}>{c.quality === null ? '–' : quality && qualityPlaces !== null ? fixed(Number(c.quality.slice(quality.length + 1)), qualityPlaces) : c.quality.slice(quality ? quality.length + 1 : 0)}</td>}
                  <td class={c.path ? 'path saved own' : 'path own'}>
                    {c.path ? <Name limit={120}>{withinRun(c.path, run.run)}</Name> : <span class="muted">{say('checkpoints.not_on_disk')}</span>}
                    {c.size ? <span class="muted size"> {bytes(c.size)}</span> : null}
                  </td>
                  <td class="reason own">{c.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more(say)}
      {(ranking?.notes ?? []).map((note) => (
        <p class="muted note" key={note}>
          {note}
        </p>
      ))}
    </Section>
  );
}

const FEW_JUDGEMENTS = 12;

/** Of a long table the rows that tell something: first, last, both sides of every change, then evenly spaced ones. */
export function telling(rows: readonly Judgement[], few: number): readonly Judgement[] {
  if (rows.length <= few + 2) return rows;
  const keep = new Set<number>([0, rows.length - 1]);
  rows.forEach((row, i) => {
    if (i > 0 && row.level !== rows[i - 1]!.level && keep.size < few) keep.add(i - 1).add(i);
  });
  for (let k = 1; keep.size < few && k < few; k += 1) keep.add(Math.round((k * (rows.length - 1)) / few));
  return rows.filter((_, i) => keep.has(i));
}

export function Judgements({ run, say }: { run: RunReport; say: Say }) {
  const [open, setOpen] = useState(false);
  const rows = useMemo(() => (open ? run.judgements : telling(run.judgements, FEW_JUDGEMENTS)), [run, open]);
  const loss = Math.min(4, places(run.judgements.flatMap((j) => [j.train_loss, j.eval_loss])));
  const has = (key: 'eval_loss' | 'gap' | 'perplexity'): boolean => run.judgements.some((j) => j[key] !== null);
  if (run.judgements.length === 0) return null;
  return (
    <Section
      id="judgements"
      title={say('judgements')}
      aside={
        rows.length < run.judgements.length || open ? (
          <button type="button" class="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? say('show.less') : say('show.all', { n: run.judgements.length })}
          </button>
        ) : null
      }
    >
      <div class="scroll" tabIndex={0} role="group" aria-label={say('judgements')}>
        <table class="data fold" style={{ '--columns': 2 + Number(has('eval_loss')) + Number(has('gap')) + Number(has('perplexity')) }}>
          <thead>
            <tr>
              <th class="r">{say('judgements.step')}</th>
              <th class="r">{say('judgements.train')}</th>
              {has('eval_loss') && <th class="r">{say('judgements.eval')}</th>}
              {has('gap') && <th class="r">{say('judgements.gap')}</th>}
              {has('perplexity') && <th class="r">{say('judgements.perplexity')}</th>}
              <th class="own fill">{say('judgements.reason')}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((j: Judgement) => (
              <tr key={j.step}>
                <td class="r">{int(j.step)}</td>
                <td class="r">{fixed(j.train_loss, loss)}</td>
                {has('eval_loss') && <td class="r">{fixed(j.eval_loss, loss)}</td>}
                {has('gap') && <td class="r">{fixed(j.gap, loss)}</td>}
                {has('perplexity') && <td class="r">{fixed(j.perplexity, 2)}</td>}
                <td class="own">
                  <span class="judged">
                    <StateMark state={j.level} label={say(`judge.${j.level}` as Key)} /> {j.reason}
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

const stateKey = (state: string): Key => (state === 'pass' ? 'pass' : state === 'fail' ? 'fail' : 'unknown');

export function Signals({ signals, say }: { signals: readonly Signal[]; say: Say }) {
  if (signals.length === 0) return null;
  const pass = signals.filter((s) => s.state === 'pass').length;
  return (
    <Section id="signals" title={say('signals')} aside={<span class="muted">{`${pass}/${signals.length}`}</span>}>
      <ul class="list">
        {signals.map((s) => (
          <li key={s.id}>
            <StateMark state={s.state} label={say(stateKey(s.state))} />
            <div>
              <span class="item">
                <span class="id">{s.id}</span> {say.known('signal', s.id)}
              </span>
              <span class="why">{s.reason}</span>
            </div>
          </li>
        ))}
      </ul>
    </Section>
  );
}

export function Checklist({ items, phase, say }: { items: readonly ChecklistItem[]; phase: string; say: Say }) {
  if (items.length === 0) return null;
  const phases = [...new Set(items.map((i) => i.id))];
  return (
    <Section id="checklist" title={say('checklist')}>
      {phases.map((id) => {
        const own = items.filter((i) => i.id === id);
        const failed = own.some((i) => i.state === 'fail');
        return (
          <details key={id} class="phase" open={id === phase || failed}>
            <summary>
              <span class="id">{id}</span> {say.known('phase', id)}
              {id === phase && <span class="chip now">{say('phase.now')}</span>}
              <span class="muted count">{`${own.filter((i) => i.state === 'pass').length}/${own.length}`}</span>
            </summary>
            <ul class="list">
              {own.map((item) => (
                <li key={item.item}>
                  <StateMark state={item.state} label={say(stateKey(item.state))} />
                  <div>
                    <span class="item">{item.item}</span>
                    <span class="why">{item.reason}</span>
                  </div>
                </li>
              ))}
            </ul>
          </details>
        );
      })}
    </Section>
  );
}

const OUTCOMES: readonly Check['outcome'][] = ['fired', 'error', 'passed', 'skipped'];

export function Checks({ checks, say }: { checks: readonly Check[]; say: Say }) {
  if (checks.length === 0) return null;
  const counts = OUTCOMES.map((o) => ({ outcome: o, n: checks.filter((c) => c.outcome === o).length })).filter((c) => c.n > 0);
  return (
    <section class="block" aria-labelledby="h-checks">
      <details>
        <summary>
          <h2 id="h-checks">{say('checks')}</h2>
          <span class="muted">{counts.map((c) => `${c.n} ${say(`checks.${c.outcome}` as Key)}`).join(' · ')}</span>
        </summary>
        <div class="scroll" tabIndex={0} role="group" aria-label={say('checks')}>
          <table class="data">
            <tbody>
              {OUTCOMES.flatMap((o) => checks.filter((c) => c.outcome === o)).map((c) => (
                <tr key={c.rule}>
                  <td>
                    <span class="judged">
                      <StateMark state={c.outcome} label="" /> {say(`checks.${c.outcome}` as Key)}
                    </span>
                  </td>
                  <td>
                    <code>{c.rule}</code>
                  </td>
                  <td>{c.title ?? ''}</td>
                  <td class="reason">{c.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}

/** Sample predictions beside one another: one column a step, one row a tag. Text as it is, never as markup. */
export function Samples({ run, say }: { run: RunReport; say: Say }) {
  if (run.samples.length === 0) return null;
  const tags = [...new Set(run.samples.map((s) => s.tag))];
  const steps = [...new Set(run.samples.map((s) => s.step))].sort((a, b) => a - b);
  const recommended = run.checkpoints.find((c) => c.recommended)?.step;
  return (
    <Section id="samples" title={say('samples')}>
      <div class="scroll" tabIndex={0} role="group" aria-label={say('samples')}>
        <table class="data samples">
          <thead>
            <tr>
              <td />
              {steps.map((step) => (
                <th key={step}>
                  {int(step)}
                  {step === recommended && (
                    <span class="star" role="img" aria-label={say('checkpoints.use')}>
                      {' '}
                      ★
                    </span>
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {tags.map((tag) => (
              <tr key={tag}>
                <th scope="row">
                  <Name limit={60}>{tag}</Name>
                </th>
                {steps.map((step) => {
                  const text = run.samples.find((s) => s.tag === tag && s.step === step)?.text;
                  return <td key={step}>{text === undefined ? '' : <p class="sample">{visibleLines(text)}</p>}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

const visibleLines = (text: string): string => text.slice(0, 4000).split('\n').map(visible).join('\n');

export function Notes({ run, say }: { run: RunReport; say: Say }) {
  const notes = run.notes;
  const roles = Object.entries(run.roles);
  const homes = new Set(roles.map(([, r]) => r.run)).size; // a column that says the same on every row says nothing
  const hparams = Object.entries(run.hparams).sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    <>
      {(notes.length > 0 || run.role_notes.length > 0) && (
        <Section id="notes" title={say('notes')}>
          <ul class="list">
            {run.role_notes.map((text) => (
              <li key={text}>
                <StateMark state="unknown" label="" />
                <div>
                  <span class="item">{text}</span>
                </div>
              </li>
            ))}
            {notes.map((n, i) => (
              <li key={i}>
                <StateMark state={n.kind === 'corrupt' || n.kind === 'truncated' || n.kind === 'unreadable' ? 'warn' : 'unknown'} label="" />
                <div>
                  <span class="item">{n.message}</span>
                  <span class="why">
                    {n.path && <Name limit={160}>{n.path}</Name>}
                    {n.offset !== null && n.offset !== undefined && ` · ${say('notes.offset', { offset: int(n.offset) })}`}
                    {n.step !== null && n.step !== undefined && ` · ${say('x.step')} ${int(n.step)}`}
                  </span>
                </div>
              </li>
            ))}
          </ul>
        </Section>
      )}
      <section class="block" aria-labelledby="h-details">
        <details>
          <summary>
            <h2 id="h-details">{say('details')}</h2>
            <span class="muted">
              {say('roles')} · {say('sources')}
              {hparams.length > 0 && ` · ${say('hparams')}`}
            </span>
          </summary>
          <h3>{say('roles')}</h3>
          <div class="scroll" tabIndex={0} role="group" aria-label={say('roles')}>
            <table class="data">
              <tbody>
                {roles.map(([role, r]) => (
                  <tr key={role}>
                    <td class="key">{say.known('role', role)}</td>
                    <td>
                      <Name limit={120}>{r.name ?? r.tag}</Name>
                    </td>
                    {homes > 1 && (
                      <td>
                        <Name limit={120}>{r.run}</Name>
                      </td>
                    )}
                    <td class="reason">{r.reason}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          <h3>{say('sources')}</h3>
          <div class="scroll" tabIndex={0} role="group" aria-label={say('sources')}>
            <table class="data">
              <tbody>
                {run.sources.slice(0, 200).map((s) => (
                  <tr key={s.path}>
                    <td>
                      <Name>{s.path}</Name>
                    </td>
                    <td>{s.kind}</td>
                    <td class="r">{say('sources.events', { n: int(s.events) })}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {hparams.length > 0 && (
            <>
              <h3>{say('hparams')}</h3>
              <div class="scroll" tabIndex={0} role="group" aria-label={say('hparams')}>
                <table class="data pairs">
                  <tbody>
                    {hparams.slice(0, 400).map(([name, value]) => (
                      <tr key={name}>
                        <td>
                          <Name limit={80}>{name}</Name>
                        </td>
                        <td class="fill">
                          <Name limit={200}>{scalar(value, 200)}</Name>
                        </td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            </>
          )}
        </details>
      </section>
    </>
  );
}
