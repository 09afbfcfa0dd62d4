/** The golden report made from demo_logs/ by make_fixtures.py: the contract as Python writes it. */
import english from './fixtures/report.en.json';
import korean from './fixtures/report.ko.json';
import type { Report, RunReport } from '../src/types';

export const EN = english as unknown as Report<RunReport>;
export const KO = korean as unknown as Report<RunReport>;

export function run(name: string, report: Report<RunReport> = EN): RunReport {
  const found = report.runs.find((r) => r.run === name);
  if (!found) throw new Error(`the golden report has no run ${name}`);
  return found;
}
