/** Where reports come from: unchanged answers, lost connections, the embedded report. */
import { describe, expect, it, vi } from 'vitest';
import { embeddedSource, ServerError, tabSource } from '../src/source';
import { EN, KO } from './golden';

const answer = (body: unknown, etag: string, status = 200): Response => new Response(status === 304 ? null : JSON.stringify(body), { status, headers: { ETag: etag } });

describe('TensorBoard', () => {
  it('asks with the tag it knows and takes "unchanged" for an answer', async () => {
    const fetcher = vi.fn(async (_path: RequestInfo | URL, options?: RequestInit) => {
      const known = (options?.headers as Record<string, string> | undefined)?.['If-None-Match'];
      return known === '"1"' ? answer(null, '"1"', 304) : answer(EN, '"1"');
    });
    const source = tabSource(fetcher as typeof fetch);
    const first = await source.overview('en');
    const second = await source.overview('en');
    expect(second).toBe(first);
    expect(fetcher).toHaveBeenCalledTimes(2);
    expect(String(fetcher.mock.calls[0]![0])).toBe('api/report?view=overview&lang=en');
  });
  it('says what the server refused', async () => {
    const source = tabSource((async () => new Response('', { status: 500 })) as typeof fetch);
    await expect(source.status()).rejects.toBeInstanceOf(ServerError);
  });
  it('escapes names in addresses', async () => {
    const asked: string[] = [];
    const source = tabSource((async (path: RequestInfo | URL) => {
      asked.push(String(path));
      return answer(EN, '"1"');
    }) as typeof fetch);
    await source.runs(['a&run=b', '../../etc/passwd'], 'ko');
    expect(new URLSearchParams(asked[0]!.split('?')[1]).getAll('run')).toEqual(['a&run=b', '../../etc/passwd']);
  });
  it('offers exports that fit into an address', () => {
    const source = tabSource();
    expect(source.exportAddress('csv', null, 'en')).toBe('api/export?format=csv&lang=en');
    expect(source.exportAddress('csv', Array.from({ length: 1000 }, (_, i) => `run-${i}`), 'en')).toBe(null);
  });
});

describe('a file', () => {
  const source = embeddedSource({ lang: 'en', written_at: 1, reports: { en: EN, ko: KO }, curves: { nan: EN.runs.find((r) => r.run === 'nan')!.curves! } });
  it('holds both languages, and curves once', async () => {
    const [run] = (await source.runs(['nan'], 'ko')).runs;
    expect(run!.verdict.headline).toBe(KO.runs.find((r) => r.run === 'nan')!.verdict.headline);
    expect(Object.keys(run!.curves!)).toContain('train_loss');
    expect((await source.status()).state).toBe('ready');
    expect(await source.series('nan', 0, 1, 100)).toBe(null);
    expect(JSON.parse(source.exportText('en')!).runs).toHaveLength(EN.runs.length);
  });
  it('falls back to the language it was written in', async () => {
    const single = embeddedSource({ lang: 'ko', written_at: 1, reports: { ko: KO }, curves: {} });
    expect((await single.overview('en')).lang).toBe('ko');
  });
});
