/** One finding: what was seen, in numbers, what to do, and when the rule is wrong. */
import { int, percent, scalar, short } from '../format';
import type { Say } from '../i18n';
import type { Finding, Level, Remedy, RuleDoc } from '../types';
import { LevelMark, Name, Snippet } from './parts';

export const SEVERITY_LEVEL: Record<Finding['severity'], Level> = { critical: 'bad', high: 'bad', medium: 'warn', info: 'info' };

export function RemedyText({ remedy, say }: { remedy: Remedy; say: Say }) {
  const both = remedy.setting && remedy.to !== null && remedy.to !== undefined;
  return (
    <>
      <span>{remedy.text}</span>
      {both && !remedy.snippet && (
        <code class="setting">
          {remedy.setting} {remedy.from !== null && remedy.from !== undefined ? `${scalar(remedy.from)} → ` : '= '}
          {scalar(remedy.to)}
        </code>
      )}
      {remedy.example && <span class="muted"> ({say('example')})</span>}
    </>
  );
}

const PLAIN_EVIDENCE = 8;

export function FindingCard({ finding, doc, say, onShow, shown }: { finding: Finding; doc: RuleDoc | undefined; say: Say; onShow: ((steps: [number, number]) => void) | null; shown: boolean }) {
  const level = SEVERITY_LEVEL[finding.severity] ?? 'info';
  const [from, to] = finding.steps;
  const evidence = Object.entries(finding.evidence).slice(0, PLAIN_EVIDENCE);
  return (
    <article class={`finding ${level}${finding.explained_by ? ' consequence' : ''}`} aria-label={`${say.known('label', finding.label)}: ${finding.rule}`}>
      <header>
        <LevelMark level={level} say={say} />
        <h3>{finding.severity === 'info' && finding.title ? finding.title : say.known('label', finding.label)}</h3>
        <span class="muted">
          {say.known('severity', finding.severity)} · {percent(finding.confidence)}
        </span>
        <span class="ids">
          <code>{finding.rule}</code>
          {finding.guide.length > 0 && <span class="muted">{say('guide', { ids: finding.guide.join(', ') })}</span>}
        </span>
      </header>
      <p class="message">{finding.message}</p>
      {finding.explained_by && (
        <p class="muted">
          {say('findings.consequence')} <code>{finding.explained_by}</code>
        </p>
      )}
      <dl class="evidence">
        <div>
          <dt>{say('x.step')}</dt>
          <dd>
            {onShow ? (
              <button type="button" class="link" aria-pressed={shown} onClick={() => onShow(finding.steps)} title={say('findings.show')}>
                {from === to ? int(from) : `${int(from)}–${int(to)}`}
                <span class="sr"> {say('findings.show')}</span>
              </button>
            ) : from === to ? (
              int(from)
            ) : (
              `${int(from)}–${int(to)}`
            )}
          </dd>
        </div>
        {evidence.map(([name, value]) => (
          <div key={name}>
            <dt>{say.known('evidence', name)}</dt>
            <dd>{short(value, 3)}</dd>
          </div>
        ))}
        {finding.tags.length > 0 && (
          <div class="wide">
            <dt>{say('finding.tag')}</dt>
            <dd>
              {[...new Set(finding.tags)].slice(0, 6).map((tag, i) => (
                <span key={tag}>
                  {i > 0 && ', '}
                  <Name limit={160}>{tag}</Name>
                </span>
              ))}
            </dd>
          </div>
        )}
      </dl>
      {finding.remedies.length > 0 && (
        <div class="remedies">
          <h4>{say('findings.remedies')}</h4>
          <ol>
            {finding.remedies.map((remedy, i) => (
              <li key={i}>
                <RemedyText remedy={remedy} say={say} />
                {remedy.snippet && <Snippet text={remedy.snippet} say={say} />}
              </li>
            ))}
          </ol>
        </div>
      )}
      {doc && (
        <details class="rule">
          <summary>
            {say('rule.page')}: {doc.title}
          </summary>
          <dl>
            {(
              [
                ['rule.what', doc.what],
                ['rule.why', doc.why],
                ['rule.todo', doc.todo],
                ['rule.wrong', doc.wrong],
              ] as const
            ).map(([key, text]) =>
              text ? (
                <div key={key}>
                  <dt>{say(key)}</dt>
                  <dd>{text}</dd>
                </div>
              ) : null,
            )}
          </dl>
        </details>
      )}
    </article>
  );
}
