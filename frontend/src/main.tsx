/** Entry: TensorBoard calls `render()`; in a report opened from disk the page starts by itself. */
import { render as draw } from 'preact';
import { fileHost, tabHost } from './host';
import { embeddedSource, tabSource, type Embedded } from './source';
import './style.css';
import { App } from './views/app';

const EMBEDDED = 'evalguide-report';

function place(): HTMLElement {
  const element = document.createElement('div');
  element.id = 'evalguide';
  document.body.append(element);
  return element;
}

function style(): Promise<void> {
  return new Promise((done) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = 'style.css';
    // Drawn also without its style: an unstyled report is better than none.
    link.onload = link.onerror = () => done();
    document.head.append(link);
  });
}

/** Called by TensorBoard inside the tab's iframe. */
export async function render(): Promise<void> {
  const viewport = document.createElement('meta');
  viewport.name = 'viewport';
  viewport.content = 'width=device-width, initial-scale=1';
  document.head.append(viewport);
  await style();
  draw(<App host={tabHost()} source={tabSource()} reportLang={undefined} />, place());
}

const embedded = document.getElementById(EMBEDDED);
if (embedded) {
  const data = JSON.parse(embedded.textContent ?? '') as Embedded;
  draw(<App host={fileHost()} source={embeddedSource(data)} reportLang={data.lang} />, place());
}
