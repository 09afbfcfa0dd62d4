/** The page's tests run in a small DOM of their own; uPlot needs a canvas and is driven in the browser tests. */
import { defineConfig } from 'vitest/config';

export default defineConfig({ test: { environment: 'happy-dom', include: ['test/**/*.test.{ts,tsx}'] } });
